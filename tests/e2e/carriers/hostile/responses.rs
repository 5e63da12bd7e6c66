//! Hostile responses of applications.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{Served, assert_tells_no_endpoint, assert_unharmed, shown, start, token};
use crate::hostile_bytes::responses::{answers_that_may_not_pass, heads_that_pass};
use crate::hostile_bytes::{get, status, values};
use crate::workers::Workers;

/// Values of an application's headers. Envoy forwards all of them.
fn application_values() -> Vec<Vec<u8>> {
    let high: Vec<u8> = (0x80..=0xff).collect();
    let printable: Vec<u8> = (0x21..0x7f).collect();
    let mut values =
        vec![b"1".to_vec(), printable, high.clone(), b"a b\tc".to_vec(), b"\"".to_vec(), b",".to_vec()];
    values.extend([4095, 4096, 4097, 5592, 65_536, 500_000].map(|length| vec![b'v'; length]));
    values.extend([high.repeat(32), high.repeat(33), high.repeat(1000)]);
    values
}

/// Other header lines of an application. Envoy forwards all of them.
fn other_lines() -> Vec<Vec<u8>> {
    let high: Vec<u8> = (0x80..=0xff).collect();
    let mut lines = vec![
        b"s:\r\n".to_vec(),
        b"s: a\r\n".repeat(3000),
        [b"x-affinity-endpoint: ".as_slice(), &high, b"\r\n"].concat(),
        b"x-affinity-endpoint: MTI3LjAuMC4xOjE=\r\n".repeat(3000),
        b"x-affinity-endpoint: 127.0.0.1:1\r\nset-cookie: s=1\r\nset-cookie: t=\xff\r\n".to_vec(),
        b"set-cookie: u=1\r\nset-cookie: t\r\n".repeat(2000),
    ];
    // The cookies that the filter wraps.
    for name in ["v", "w", "x"] {
        let mut cookies = vec![
            b"=\"a b\"; PATH=/; mAx-AgE=60; HTTPONLY;;".to_vec(),
            b" = a ;Max-Age".to_vec(),
            b"=; EXPIRES=Thu, 01 Jan 1970 00:00:00 GMT".to_vec(),
            b"=a; expires=\xff; Max-Age=99999999999999999999".to_vec(),
            b"=a; Max-Age=-1; Max-Age=1".to_vec(),
            b"".to_vec(),
            b"=".to_vec(),
            [b"=", high.as_slice(), b"; Path=", &high].concat(),
        ];
        cookies
            .extend([2_000, 4_095, 4_096, 70_000].map(|length| [b"=".to_vec(), vec![b'a'; length]].concat()));
        let line = |rest: &Vec<u8>| [b"set-cookie: ", name.as_bytes(), rest, b"\r\n"].concat();
        lines.extend(cookies.iter().map(line));
        lines.push(line(&b"=a; Path=/".to_vec()).repeat(2000));
    }
    lines
}

/// What a pod responds with.
#[derive(Clone)]
enum Answer {
    /// This line, and as its body the value of the request header `s`.
    Line(Vec<u8>),
    /// These bytes and nothing else.
    Bytes(Vec<u8>),
    /// No response: the connection is reset.
    Reset,
}

/// A pod that sends response N to a request for `/<route>/<N>`, and the first response to any other request.
async fn scripted_pod(answers: Vec<Answer>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0)
            {
            }
            let path = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
            let path = String::from_utf8_lossy(path);
            let number = path.rsplit('/').next().and_then(|number| number.parse::<usize>().ok());
            let bytes = match &answers[number.unwrap_or(0)] {
                Answer::Line(line) => {
                    let came = values(&head, "s").join(b"|".as_slice());
                    let end = format!("content-length: {}\r\nconnection: close\r\n\r\n", came.len());
                    [b"HTTP/1.1 200 OK\r\n", line.as_slice(), end.as_bytes(), &came].concat()
                }
                Answer::Bytes(bytes) => bytes.clone(),
                Answer::Reset => {
                    // Closed at once, without unsent data.
                    stream.set_zero_linger().unwrap();
                    continue;
                }
            };
            // Envoy may close the connection before it has read the whole response.
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
    });
    address
}

async fn no_application_header_harms_a_vm(with_keys: bool) {
    let wanted = application_values();
    let lines = wanted.iter().map(|value| [b"s: ", value.as_slice(), b"\r\n"].concat()).chain(other_lines());
    let answers: Vec<_> = lines.map(Answer::Line).collect();
    let count = answers.len();
    let envoy = start(scripted_pod(answers).await, with_keys).await;
    let workers = Workers::of(&envoy).await;
    for service in Served::all(with_keys) {
        for number in 0..count {
            let path = format!("/{}/{number}", service.name).into_bytes();
            let answer = get(&envoy, &path, b"").await;
            let shown = shown(service, &path, &answer);
            assert_eq!(status(&answer), 200, "{shown}");
            if with_keys {
                assert_tells_no_endpoint(&answer, &shown);
            }
            let got = values(&answer, "s");
            let Some(value) = wanted.get(number).filter(|_| service.is_envelope()) else {
                continue;
            };
            assert_eq!((got.len(), got[0] == value.as_slice()), (1, value.len() > 4096), "{shown}");
            let back = get(&envoy, &path, &[b"s: ", got[0], b"\r\n"].concat()).await;
            assert!(back.ends_with(&[b"\r\n\r\n", value.as_slice()].concat()), "{shown}");
        }
    }
    assert_unharmed(&envoy, &workers, with_keys).await;
}

#[tokio::test]
async fn no_bytes_of_an_applications_headers_harm_a_vm_and_a_wrapped_value_comes_back_as_it_was_without_keys()
{
    no_application_header_harms_a_vm(false).await;
}

#[tokio::test]
async fn no_bytes_of_an_applications_headers_harm_a_vm_and_a_wrapped_value_comes_back_as_it_was_with_keys() {
    no_application_header_harms_a_vm(true).await;
}

/// Whole responses of any bytes, and none: for new sessions and for known sessions.
async fn no_answer_harms_a_vm(with_keys: bool) {
    const END: &[u8] = b"content-length: 2\r\nconnection: close\r\n\r\nok";
    // The size limits do not concern the carriers.
    let is_small = |bytes: &Vec<u8>| bytes.len() < 1 << 18;
    let heads: Vec<_> = heads_that_pass().into_iter().filter(is_small).collect();
    let whole = heads.iter().map(|head| Answer::Bytes([head, END].concat()));
    let odd = answers_that_may_not_pass().into_iter().filter(is_small).map(Answer::Bytes);
    let mut answers = vec![Answer::Line(b"s: mine\r\n".to_vec())];
    answers.extend(whole.chain(odd).chain([Answer::Reset]));
    let count = answers.len();
    let envoy = start(scripted_pod(answers).await, with_keys).await;
    let workers = Workers::of(&envoy).await;
    for service in Served::all(with_keys) {
        let begun = get(&envoy, format!("/{}/0", service.name).as_bytes(), b"").await;
        let token = token(service, &begun).unwrap_or(b"no-token".to_vec());
        let name = if service.is_in_a_cookie() { "cookie: " } else { "" };
        let sign = if service.is_in_a_cookie() { "=" } else { ": " };
        let known = [name.as_bytes(), service.carrier.as_bytes(), sign.as_bytes(), &token, b"\r\n"].concat();
        for number in 1..count {
            let path = format!("/{}/{number}", service.name).into_bytes();
            for lines in [b"".as_slice(), &known] {
                let lines = [b"connection: close\r\n", lines].concat();
                let answer = get(&envoy, &path, &lines).await;
                let shown = shown(service, &path, &answer);
                if number <= heads.len() {
                    assert!((200..600).contains(&status(&answer)), "{shown}");
                } else if number == count - 1 {
                    assert_eq!(status(&answer), 503, "{shown}");
                    assert_eq!(values(&answer, "set-cookie"), [b""; 0], "{shown}");
                }
                if with_keys {
                    assert_tells_no_endpoint(&answer, &shown);
                }
            }
        }
    }
    assert_unharmed(&envoy, &workers, with_keys).await;
}

#[tokio::test]
async fn no_answer_and_no_reset_harms_a_vm_whatever_carries_the_session_without_keys() {
    no_answer_harms_a_vm(false).await;
}

#[tokio::test]
async fn no_answer_and_no_reset_harms_a_vm_whatever_carries_the_session_with_keys() {
    no_answer_harms_a_vm(true).await;
}
