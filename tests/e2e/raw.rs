//! HTTP/1.1 byte by byte, for requests that no ordinary client would send.

use harness::envoy::Envoy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ecds::SOON;

/// Sends these bytes on a new connection. Returns the response, which is complete according to its `Content-Length`.
/// Does not wait for later bytes or for the end of the connection. (Envoy may keep the connection open for a second.)
/// Fails if the response has no end, because no request may hang.
pub async fn exchange(envoy: &Envoy, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(envoy.url().trim_start_matches("http://")).await.unwrap();
    let mut answer = Vec::new();
    let exchange = async {
        // Envoy may refuse a request and close the connection before it has read the whole request.
        let _ = stream.write_all(request).await;
        while !is_whole(&answer) {
            match stream.read_buf(&mut answer).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    };
    let whole = timeout(SOON, exchange).await.is_ok();
    let shown = &request[..request.len().min(300)];
    assert!(whole, "the answer to {:?} does not end", String::from_utf8_lossy(shown));
    answer
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    length.is_some_and(|length| answer.len() >= end + 4 + length)
}
