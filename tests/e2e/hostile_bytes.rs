//! Hostile bytes in requests, responses and configurations.

mod configurations;
pub mod requests;
pub mod responses;

use harness::envoy::Envoy;
use harness::pod::RawPod;

use crate::raw::exchange;

/// A pod that accepts heads of any size and any number of headers.
pub fn patient_pod() -> RawPod {
    RawPod::start(*b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").unwrap()
}

/// Sends a GET with these header lines, each ended by CR LF, and returns the whole response.
pub async fn get(envoy: &Envoy, path: &[u8], lines: &[u8]) -> Vec<u8> {
    let request = [b"GET ", path, b" HTTP/1.1\r\nhost: app\r\n", lines, b"\r\n"].concat();
    exchange(envoy, &request).await
}

/// The status of a response, or 0 if there is none.
pub fn status(answer: &[u8]) -> u16 {
    let digits = if answer.starts_with(b"HTTP/1.") { answer.get(9..12) } else { None }.unwrap_or(b"0");
    String::from_utf8_lossy(digits).parse().unwrap()
}

/// The values of all lines of a header, in order.
pub fn values<'a>(answer: &'a [u8], name: &str) -> Vec<&'a [u8]> {
    let start = format!("{name}: ");
    let lines = answer.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            let (field, value) = line.split_at_checked(start.len())?;
            field.eq_ignore_ascii_case(start.as_bytes()).then_some(value)
        })
        .collect()
}

/// Pseudo-random numbers, the same in every run: `SplitMix64`.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }
}
