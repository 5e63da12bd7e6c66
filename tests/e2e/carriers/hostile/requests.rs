//! Hostile requests of clients.

use harness::client::Client;
use harness::pod::RawPod;

use super::{
    SERVICES, Served, assert_tells_no_endpoint, assert_unharmed, shown, start, tells_no_endpoint, token,
};
use crate::hostile_bytes::{self, Dice, get, status};
use crate::workers::Workers;

/// An application that sets the cookies of the services that wrap a cookie.
fn pod() -> RawPod {
    let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\
        set-cookie: v=a\r\nset-cookie: w=b; Path=/\r\nset-cookie: x=c; httponly\r\n\r\nok";
    RawPod::start(*answer).unwrap()
}

/// The header lines by which a request carries this value to any service.
fn carried(value: &[u8]) -> Vec<u8> {
    let cookies = [b"s=", b"t=", b"u=", b"v=", b"w=", b"x="].map(|name| [name.as_slice(), value].concat());
    [b"s: ", value, b"\r\ncookie: ", &cookies.join(b"; ".as_slice()), b"\r\n"].concat()
}

/// Header lines with any bytes. Envoy forwards all of them.
fn lines_that_pass(service: &Served, token: &[u8]) -> Vec<Vec<u8>> {
    let high: Vec<u8> = (0x80..=0xff).collect();
    let many = |count: usize, one: &[u8]| one.repeat(count);
    let mut lines: Vec<Vec<u8>> = vec![
        carried(&high),
        carried(b""),
        carried(b","),
        carried(b"\""),
        carried(&[token, b",", token].concat()),
        carried(&[b",, ", token, b" ,", token].concat()),
        carried(&[token, &high].concat()),
        [carried(b"\xff"), carried(token), carried(b"")].concat(),
        many(3000, b"s: x\r\n"),
        many(3000, &[b"s: ", token, b"\r\n"].concat()),
        carried(&many(20_000, b",")),
        carried(&many(20_000, b"=")),
        carried(&many(20_000, b"A,")),
        [b"x-affinity-endpoint: ".as_slice(), &high, b"\r\n"].concat(),
        many(3000, b"x-affinity-endpoint: MTI3LjAuMC4xOjE=\r\n"),
    ];
    // An envelope holds at most 4 KiB, which are 5592 characters.
    for length in [1, 2, 3, 127, 128, 129, 4096, 5591, 5592, 5593, 8192] {
        lines.push(carried(&many(length, b"A")));
        // Values with a valid beginning: version 2, key k1, nonce; version 1.
        lines.push(carried(&[b"AgJrMQ".as_slice(), &many(length, b"A")].concat()));
        lines.push(carried(&[b"AQ".as_slice(), &many(length, b"A")].concat()));
        lines.push(carried(&[token, &many(length, b"A")].concat()));
    }
    lines.push([b"s: ".to_vec(), many(500_000, b"A"), b"\r\n".to_vec()].concat());
    if service.is_in_a_cookie() {
        // Thousands of cookies, quotes, separators, half a megabyte.
        let token = String::from_utf8_lossy(token);
        lines.extend(hostile_bytes::requests::lines_that_pass(service.carrier, &token));
    }
    lines
}

/// Lines that an Envoy release may refuse.
fn lines_that_may_not_pass(service: &Served, token: &[u8]) -> Vec<Vec<u8>> {
    let controls = (0x00..0x20).chain([0x7f]).flat_map(|control: u8| {
        [carried(&[token, &[control]].concat()), carried(&[&[control], token].concat())]
    });
    let too_large = [b"s: ", "A".repeat(9 << 20).as_bytes(), b"\r\n"].concat();
    let mut lines: Vec<Vec<u8>> = controls
        .chain([too_large, b"s\r\n".to_vec(), b"s : x\r\n".to_vec(), b"s: x\r\n y\r\n".to_vec()])
        .collect();
    if service.is_in_a_cookie() {
        let token = String::from_utf8_lossy(token);
        lines.extend(hostile_bytes::requests::lines_that_may_not_pass(service.carrier, &token));
    }
    lines
}

/// Random combinations of a token's building blocks and any bytes.
fn random_value(dice: &mut Dice, token: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    for _ in 0..dice.roll(30) {
        match dice.roll(5) {
            0 => value.extend(token),
            1 => value.extend(&token[dice.roll(token.len())..]),
            2 => value.push(b";,=\" \t"[dice.roll(6)]),
            3 => value.extend([b'A'; 200]),
            _ => value.push(u8::try_from(0x80 + dice.roll(0x80)).unwrap()),
        }
    }
    value
}

async fn no_request_harms_a_vm(with_keys: bool) {
    let pod = pod();
    let envoy = start(pod.address(), with_keys).await;
    let workers = Workers::of(&envoy).await;
    let mut dice = Dice(7);
    for service in Served::all(with_keys) {
        let path = format!("/{}/", service.name).into_bytes();
        let token = token(service, &get(&envoy, &path, b"").await).unwrap_or(b"no-token".to_vec());
        for lines in lines_that_pass(service, &token) {
            let answer = get(&envoy, &path, &lines).await;
            let shown = shown(service, &lines, &answer);
            assert_eq!(status(&answer), 200, "{shown}");
            assert_tells_no_endpoint(&answer, &shown);
        }
        for lines in lines_that_may_not_pass(service, &token) {
            let answer = get(&envoy, &path, &lines).await;
            let shown = shown(service, &lines, &answer);
            assert!(matches!(status(&answer), 0 | 200 | 400..500), "{shown}");
            assert_tells_no_endpoint(&answer, &shown);
        }
        for _ in 0..60 {
            let lines = carried(&random_value(&mut dice, &token));
            let answer = get(&envoy, &path, &lines).await;
            let shown = shown(service, &lines, &answer);
            assert_eq!(status(&answer), 200, "{shown}");
            assert_tells_no_endpoint(&answer, &shown);
        }
    }
    assert_unharmed(&envoy, &workers, with_keys).await;
}

#[tokio::test]
async fn no_bytes_in_any_carrier_of_a_request_harm_a_vm_without_keys() {
    no_request_harms_a_vm(false).await;
}

#[tokio::test]
async fn no_bytes_in_any_carrier_of_a_request_harm_a_vm_with_keys() {
    no_request_harms_a_vm(true).await;
}

#[tokio::test]
async fn no_bytes_in_any_carrier_of_an_http2_request_harm_a_vm() {
    let pod = pod();
    let envoy = start(pod.address(), true).await;
    let workers = Workers::of(&envoy).await;
    for service in &SERVICES {
        let url = format!("{}/{}/", envoy.url(), service.name);
        let begun = Client::http2().fetch(&url, &[]).await.unwrap();
        let token = if service.is_in_a_cookie() {
            begun.cookie_pair(service.carrier).map(|pair| pair.split_once('=').unwrap().1.to_owned())
        } else {
            begun.header(service.carrier)
        };
        let token = token.unwrap_or("no-token".to_owned()).into_bytes();
        let name = if service.is_in_a_cookie() { "cookie" } else { service.carrier };
        let own = |value: &[u8]| {
            let start =
                if service.is_in_a_cookie() { format!("{}=", service.carrier) } else { String::new() };
            [start.as_bytes(), value].concat()
        };
        let large = vec![b'A'; 60 * 1024];
        let mut several: Vec<Vec<(&str, Vec<u8>)>> = vec![
            vec![(name, own(&token)), (name, b"\xff=\x80".to_vec())],
            vec![(name, own(b"x")), (name, own(b"y")), (name, own(b"z")), (name, own(&token))],
            [vec![(name, own(b"x")); 3000], vec![(name, own(&token))], vec![(name, b"\xff".to_vec()); 3000]]
                .concat(),
            vec![(name, own(&token)); 3000],
            [b"\xff\xfe".as_slice(), b"", b";", b",", b"=", b"\"", b"\t"]
                .map(|value| (name, value.to_vec()))
                .to_vec(),
            vec![(name, own(&large)), (name, own(b"\xff\xfe\x80")), (name, own(&token))],
            vec![(name, own(&[token.as_slice(), &large].concat()))],
        ];
        for header in ["x-affinity-endpoint", "x-affinity-cluster", "cache-control", "set-cookie", "x-any"] {
            let odd = [large.clone(), b"\xff\xfe\x80".to_vec(), b"MTI3LjAuMC4xOjE=".to_vec()];
            several.push(odd.map(|value| (header, value)).into_iter().chain([(name, own(&token))]).collect());
        }
        for (number, headers) in several.iter().enumerate() {
            let headers: Vec<(&str, &[u8])> =
                headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
            let reply = Client::http2().fetch(&url, &headers).await.unwrap();
            assert_eq!(reply.status, 200, "{}: {number}", service.name);
            assert!(tells_no_endpoint(&reply), "{}: {number}: {reply:?}", service.name);
        }
    }
    assert_unharmed(&envoy, &workers, true).await;
}
