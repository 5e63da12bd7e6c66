//! Bytes that nobody should send, in headers and cookies that are not the filter's own.

use std::net::SocketAddr;

use harness::config::{Bootstrap, cluster};
use harness::envoy::Envoy;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::endpoints::fleet::{keys, stateful_session};
use crate::hostile_bytes::{Dice, get, patient_pod, status, values};
use crate::workers::{Workers, assert_no_vm_failed};

/// Each service's route, and whether it pins endpoints.
const SERVICES: [(&str, bool); 7] = [
    ("http-cookie", false),
    ("header-field", false),
    ("header", false),
    ("envelope", false),
    ("cookie-endpoint", true),
    ("header-endpoint", true),
    ("envelope-endpoint", true),
];

fn plugin(with_keys: bool) -> Value {
    let affinity = |name: &str| match name {
        "http-cookie" => {
            json!({ "affinityType": "HTTP_COOKIE", "affinityCookieTtlSec": 50, "cookie": { "name": "s" } })
        }
        "header-field" => json!({ "affinityType": "HEADER_FIELD", "header": { "name": "s" } }),
        "cookie-endpoint" => json!({ "affinityType": "GENERATED_COOKIE", "cookie": { "name": "t" } }),
        _ if name.starts_with("header") => {
            json!({ "affinityType": "GENERATED_HEADER", "header": { "name": "s" } })
        }
        _ => json!({ "affinityType": "HEADER_ENVELOPE", "header": { "name": "s" } }),
    };
    // Endpoint pins need keys.
    let services = SERVICES.into_iter().filter(|(_, pins)| with_keys || !*pins).map(|(name, pins)| {
        let mut service = json!({ "name": name, "routes": [name], "sessionAffinity": affinity(name) });
        if pins {
            service["pin"] = json!("ENDPOINT");
        } else {
            service["backends"] = json!(["a", "b"]);
        }
        service
    });
    let mut plugin = json!({ "debugHeader": "x-debug", "services": services.collect::<Vec<_>>() });
    if with_keys {
        plugin["keys"] = keys();
    }
    plugin
}

/// An Envoy in front of a pod, told to take far more of headers than it does by default. The path `/` needs no pod.
async fn start(pod: SocketAddr, with_keys: bool) -> Envoy {
    let patient = |name: &str| {
        let mut cluster = cluster(name, &[pod]);
        cluster["typed_extension_protocol_options"] = json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http_protocol_options": {} },
            "common_http_protocol_options": { "max_headers_count": 20000, "max_response_headers_kb": 8192 },
        } });
        cluster
    };
    let bootstrap = Bootstrap::new().cluster_json(patient("a")).cluster_json(patient("b"));
    let bootstrap = SERVICES.into_iter().fold(bootstrap, |bootstrap, (name, pins)| {
        let to =
            if pins { json!({ "cluster": "a" }) } else { json!({ "cluster_header": "x-affinity-cluster" }) };
        bootstrap.route(json!({ "name": name, "match": { "prefix": format!("/{name}/") }, "route": to }))
    });
    let bootstrap =
        bootstrap.route(json!({ "match": { "path": "/" }, "direct_response": { "status": 200 } }));
    let config = bootstrap.filter(&plugin(with_keys)).http_filter(stateful_session(false)).hcm(|manager| {
        manager["delayed_close_timeout"] = json!("0s");
        manager["max_request_headers_kb"] = json!(8192);
        manager["common_http_protocol_options"] = json!({ "max_headers_count": 20000 });
    });
    Envoy::start(&config.build()).await.unwrap()
}

/// The lines by which a request carries this value, to whichever service.
fn carried(value: &[u8]) -> Vec<u8> {
    [b"s: ", value, b"\r\ncookie: s=", value, b"; t=", value, b"\r\n"].concat()
}

/// Header lines with any bytes, all of which Envoy passes on.
fn lines_that_pass(token: &str) -> Vec<Vec<u8>> {
    let high: Vec<u8> = (0x80..=0xff).collect();
    let many = |count: usize, one: &str| one.repeat(count).into_bytes();
    let mut lines: Vec<Vec<u8>> = vec![
        carried(&high),
        carried(b""),
        carried(b","),
        carried(b"\""),
        carried(format!("{token},{token}").as_bytes()),
        carried(format!(",, {token} ,{token}").as_bytes()),
        carried(&[token.as_bytes(), &high].concat()),
        [carried(b"\xff"), carried(token.as_bytes()), carried(b"")].concat(),
        many(3000, "s: x\r\n"),
        many(3000, &format!("s: {token}\r\n")),
        carried(&many(20_000, ",")),
        carried(&many(20_000, "=")),
        carried(&many(20_000, "A,")),
        [b"x-affinity-endpoint: ".as_slice(), &high, b"\r\n"].concat(),
        many(3000, "x-affinity-endpoint: MTI3LjAuMC4xOjE=\r\n"),
    ];
    // An envelope holds at most 4 KiB, which are 5592 characters.
    for length in [1, 2, 3, 127, 128, 129, 4096, 5591, 5592, 5593, 8192] {
        lines.push(carried(&many(length, "A")));
        // With a beginning that is right: version 2, key k1, nonce; version 1.
        lines.push(carried(&[b"AgJrMQ".as_slice(), &many(length, "A")].concat()));
        lines.push(carried(&[b"AQ".as_slice(), &many(length, "A")].concat()));
        lines.push(carried(&[token.as_bytes(), &many(length, "A")].concat()));
    }
    lines.push([b"s: ".to_vec(), many(500_000, "A"), b"\r\n".to_vec()].concat());
    lines
}

/// What Envoy may refuse, each release as it likes.
fn lines_that_may_not_pass(token: &str) -> Vec<Vec<u8>> {
    let controls = (0x00..0x20).chain([0x7f]).flat_map(|control: u8| {
        [carried(&[token.as_bytes(), &[control]].concat()), carried(&[&[control], token.as_bytes()].concat())]
    });
    let too_large = [b"s: ", "A".repeat(9 << 20).as_bytes(), b"\r\n"].concat();
    controls
        .chain([too_large, b"s\r\n".to_vec(), b"s : x\r\n".to_vec(), b"s: x\r\n y\r\n".to_vec()])
        .collect()
}

/// Every route answers on every worker, and none of its VMs failed.
async fn assert_unharmed(envoy: &Envoy, workers: &Workers) {
    for (route, _) in SERVICES {
        for reply in workers.fetch(&format!("/{route}/"), &[]).await {
            assert_eq!(reply.status, 200, "{route}");
        }
    }
    assert_no_vm_failed(envoy).await;
}

async fn no_request_harms_a_vm(with_keys: bool) {
    let pod = patient_pod();
    let envoy = start(pod.address(), with_keys).await;
    let workers = Workers::of(&envoy).await;
    let mut dice = Dice(7);
    for (route, _) in SERVICES {
        let path = format!("/{route}/").into_bytes();
        let begun = String::from_utf8(get(&envoy, &path, b"").await).unwrap();
        let token =
            begun.split("\ns: ").nth(1).or_else(|| begun.split("et-cookie: ").nth(1)?.split('=').nth(1));
        let token = token.and_then(|rest| rest.split([';', '\r']).next()).unwrap_or("no-token").to_owned();
        for lines in lines_that_pass(&token) {
            let answer = get(&envoy, &path, &lines).await;
            let shown = String::from_utf8_lossy(&lines[..lines.len().min(100)]).into_owned();
            assert_eq!(status(&answer), 200, "{route}: {shown:?}: {:?}", String::from_utf8_lossy(&answer));
        }
        for lines in lines_that_may_not_pass(&token) {
            let answer = get(&envoy, &path, &lines).await;
            assert!(matches!(status(&answer), 0 | 200 | 400..500), "{route}");
        }
        for _ in 0..60 {
            let mut value = Vec::new();
            for _ in 0..dice.roll(30) {
                match dice.roll(5) {
                    0 => value.extend(token.as_bytes()),
                    1 => value.extend(&token.as_bytes()[dice.roll(token.len())..]),
                    2 => value.push(b";,=\" \t"[dice.roll(6)]),
                    3 => value.extend([b'A'; 200]),
                    _ => value.push(u8::try_from(0x80 + dice.roll(0x80)).unwrap()),
                }
            }
            assert_eq!(status(&get(&envoy, &path, &carried(&value)).await), 200, "{route}: {value:?}");
        }
    }
    assert_unharmed(&envoy, &workers).await;
}

#[tokio::test]
async fn no_bytes_in_any_carrier_of_a_request_harm_a_vm_without_keys() {
    no_request_harms_a_vm(false).await;
}

#[tokio::test]
async fn no_bytes_in_any_carrier_of_a_request_harm_a_vm_with_keys() {
    no_request_harms_a_vm(true).await;
}

/// Values of an application's headers, all of which Envoy passes on.
fn application_values() -> Vec<Vec<u8>> {
    let high: Vec<u8> = (0x80..=0xff).collect();
    let printable: Vec<u8> = (0x21..0x7f).collect();
    let mut values =
        vec![b"1".to_vec(), printable, high.clone(), b"a b\tc".to_vec(), b"\"".to_vec(), b",".to_vec()];
    values.extend([4095, 4096, 4097, 5592, 65_536, 500_000].map(|length| vec![b'v'; length]));
    values.extend([high.repeat(32), high.repeat(33), high.repeat(1000)]);
    values
}

/// A pod that answers the request for `/<route>/<number>` with the lines of that number, and says back what came
/// in the header `s`.
async fn scripted_pod(lines: Vec<Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0)
            {
            }
            let path = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
            let number = String::from_utf8_lossy(path)
                .rsplit('/')
                .next()
                .and_then(|number| number.parse::<usize>().ok());
            let answer = number.and_then(|number| lines.get(number)).map_or(b"".as_slice(), Vec::as_slice);
            let came = values(&head, "s").join(b"|".as_slice());
            let length = format!("content-length: {}\r\nconnection: close\r\n\r\n", came.len()).into_bytes();
            let answer = [b"HTTP/1.1 200 OK\r\n", answer, &length, &came].concat();
            // Envoy may have heard enough before it has heard all of it.
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
    });
    address
}

#[tokio::test]
async fn no_bytes_of_an_applications_headers_harm_a_vm_and_a_wrapped_value_comes_back_as_it_was() {
    let wanted = application_values();
    let mut lines: Vec<Vec<u8>> =
        wanted.iter().map(|value| [b"s: ", value.as_slice(), b"\r\n"].concat()).collect();
    let high: Vec<u8> = (0x80..=0xff).collect();
    lines.extend([
        b"s:\r\n".to_vec(),
        b"s: a\r\n".repeat(3000),
        [b"x-affinity-endpoint: ".as_slice(), &high, b"\r\n"].concat(),
        b"x-affinity-endpoint: MTI3LjAuMC4xOjE=\r\n".repeat(3000),
        b"x-affinity-endpoint: 127.0.0.1:1\r\nset-cookie: s=1\r\nset-cookie: t=\xff\r\n".to_vec(),
    ]);
    let count = lines.len();
    let envoy = start(scripted_pod(lines).await, true).await;
    let workers = Workers::of(&envoy).await;
    for (route, _) in SERVICES {
        for number in 0..count {
            let path = format!("/{route}/{number}").into_bytes();
            let answer = get(&envoy, &path, b"").await;
            assert_eq!(status(&answer), 200, "{route}: {number}");
            assert!(
                values(&answer, "x-affinity-endpoint")
                    .iter()
                    .all(|value| !value.starts_with(b"MTI3LjAuMC4xOj") || value.ends_with(b"E="))
            );
            let got = values(&answer, "s");
            let Some(value) = wanted.get(number).filter(|_| route.starts_with("envelope")) else {
                continue;
            };
            assert_eq!((got.len(), got[0] == value.as_slice()), (1, value.len() > 4096), "{route}: {number}");
            let back = get(&envoy, &path, &[b"s: ", got[0], b"\r\n"].concat()).await;
            assert!(back.ends_with(&[b"\r\n\r\n", value.as_slice()].concat()), "{route}: {number}");
        }
    }
    assert_unharmed(&envoy, &workers).await;
}
