//! Hostile requests. Envoy has far higher limits for requests than the default.

use harness::client::Client;
use harness::config::Bootstrap;
use harness::envoy::Envoy;
use harness::pod::RawPod;
use serde_json::{Value, json};

use super::{Dice, get, patient_pod, status, values};
use crate::shipped_files::SECRET;
use crate::workers::{Workers, assert_no_vm_failed};

/// Each service's route and the name of its cookie, if it has one.
const SERVICES: [(&str, &str); 5] =
    [("none", "GCLB"), ("client-ip", "GCLB"), ("cookie", "GCLB"), ("hidden", "HIDDEN"), ("narrow", "NARROW")];

fn plugin(with_keys: bool) -> Value {
    let service = |name: &str, affinity: Value| json!({ "name": name, "routes": [name], "sessionAffinity": affinity, "backends": ["a", "b"] });
    let cookie = |cookie: Value| json!({ "affinityType": "GENERATED_COOKIE", "cookie": cookie });
    let mut plugin = json!({ "debugHeader": "x-debug", "services": [
        service("none", json!({ "affinityType": "NONE" })),
        service("client-ip", json!({ "affinityType": "CLIENT_IP" })),
        service("cookie", cookie(json!({}))),
        service("hidden", cookie(json!({ "name": "HIDDEN", "hideFromUpstream": true }))),
        service("narrow", cookie(json!({ "name": "NARROW", "path": "/narrow/in" }))),
    ] });
    if with_keys {
        plugin["keys"] = json!([{ "id": "k1", "secret": SECRET }]);
    }
    plugin
}

async fn start(pod: &RawPod, with_keys: bool) -> Envoy {
    let routes = SERVICES.map(|(name, _)| {
        let route = json!({ "cluster_header": "x-affinity-cluster" });
        json!({ "name": name, "match": { "prefix": format!("/{name}") }, "route": route })
    });
    let other = json!({ "match": { "prefix": "/" }, "direct_response": { "status": 200 } });
    let bootstrap = Bootstrap::new().cluster("a", &[pod.address()]).cluster("b", &[pod.address()]);
    let bootstrap = routes.into_iter().chain([other]).fold(bootstrap, Bootstrap::route);
    let config = bootstrap.filter(&plugin(with_keys)).hcm(|manager| {
        manager["delayed_close_timeout"] = json!("0s");
        manager["max_request_headers_kb"] = json!(8192);
        manager["common_http_protocol_options"] = json!({ "max_headers_count": 20000 });
    });
    Envoy::start(&config.build()).await.unwrap()
}

/// Header lines with any bytes. Envoy forwards all of them.
pub fn lines_that_pass(cookie: &str, token: &str) -> Vec<Vec<u8>> {
    let own = |value: &[u8]| [b"cookie: ", cookie.as_bytes(), b"=", value, b"\r\n"].concat();
    let cookies = |value: &[u8]| [b"cookie: ", value, b"\r\n"].concat();
    let high: Vec<u8> = (0x80..=0xff).collect();
    let pair = format!("{cookie}={token}");
    let many = |count: usize, one: &str| one.repeat(count).into_bytes();
    vec![
        own(&high),
        cookies(&[high.as_slice(), b"=", &high, b"; ", pair.as_bytes(), b"; ", &high].concat()),
        [
            b"cache-control: ".to_vec(),
            high.clone(),
            b"\r\nset-cookie: ".to_vec(),
            high.clone(),
            b"\r\nx-any: ".to_vec(),
            high.clone(),
            b"\r\nx-forwarded-for: ".to_vec(),
            high.clone(),
            b"\r\nx-affinity-cluster: ".to_vec(),
            high.clone(),
            b"\r\nuser-agent: ".to_vec(),
            high,
            b"\r\n".to_vec(),
        ]
        .concat(),
        // Several lines.
        [cookies(b"a=b"), cookies(b""), cookies(b";;;"), own(token.as_bytes()), cookies(b",")].concat(),
        [own(b"\xff"), own(b""), own(b"=\""), own(token.as_bytes()), own(b"x")].concat(),
        many(3000, &format!("cookie: {cookie}=x\r\n")),
        many(3000, &format!("cookie: {pair}\r\n")),
        // Large cookies, and many cookies.
        own(&many(60 * 1024, "A")),
        own(&many(500 * 1024, "A")),
        cookies(&many(60 * 1024, "a")),
        cookies(&many(5000, "a=1; ")),
        cookies(&many(5000, &format!("{cookie}=x; "))),
        cookies(&many(2000, &format!("{cookie}={token}x; "))),
        cookies(&many(5000, &format!("{cookie}=\"; "))),
        cookies(&many(5000, &format!("{cookie}x=1,{cookie}"))),
        // Only separators.
        cookies(&many(50_000, ";")),
        cookies(&many(50_000, ",")),
        cookies(&many(50_000, "=")),
        cookies(&many(50_000, "\"")),
        cookies(&many(20_000, " \t;")),
        // Half a cookie.
        cookies(cookie.as_bytes()),
        cookies(format!("={cookie}").as_bytes()),
        own(b""),
        own(b"="),
        own(b"\""),
        own(b"\"\""),
        own(format!("\"{token}").as_bytes()),
        own(format!("{token}\"").as_bytes()),
        cookies(format!(" {cookie} = {token} ").as_bytes()),
        cookies(format!("{cookie}={token}{cookie}={token}").as_bytes()),
        own(b"%00%ff\\x00\\"),
    ]
}

/// Lines that an Envoy release may refuse.
pub fn lines_that_may_not_pass(cookie: &str, token: &str) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = (0x00..0x20)
        .chain([0x7f])
        .flat_map(|control: u8| {
            let line =
                |start: &str, end: &str| [start.as_bytes(), &[control], end.as_bytes(), b"\r\n"].concat();
            [
                line(&format!("cookie: {cookie}={token}"), ""),
                line("cookie: ", &format!("{cookie}={token}")),
                line(&format!("cookie: {cookie}="), token),
                line("x-affinity-cluster: ", "a"),
            ]
        })
        .collect();
    lines.extend([
        b"\xff\xfe: \xff\r\n".to_vec(),
        b"cookie\xff: a\r\n".to_vec(),
        b": empty\r\n".to_vec(),
        b"cookie\r\n".to_vec(),
        b"cookie : a=b\r\n".to_vec(),
        format!("cookie: a=b;\r\n {cookie}={token}\r\n").into_bytes(),
        format!("cookie: {cookie}={}\r\n", "A".repeat(9 << 20)).into_bytes(),
        "x: y\r\n".repeat(25_000).into_bytes(),
    ]);
    lines
}

/// Random combinations of a cookie's building blocks and any bytes in header values.
fn random_lines(dice: &mut Dice, cookie: &str, token: &str) -> Vec<u8> {
    let mut line = b"cookie: ".to_vec();
    for _ in 0..dice.roll(40) {
        match dice.roll(8) {
            0 => line.extend(cookie.as_bytes()),
            1 => line.extend(token.as_bytes()),
            2 => line.extend(&token.as_bytes()[dice.roll(token.len())..]),
            3 => line.extend(b"\r\ncookie: "),
            4 | 5 => line.push(b";,=\" \t"[dice.roll(6)]),
            _ => line.push(u8::try_from(0x20 + dice.roll(0xe0)).unwrap() | 0x80),
        }
    }
    line.extend(b"\r\n");
    line
}

/// Every route serves on every worker, and none of its VMs failed.
async fn assert_unharmed(envoy: &Envoy, workers: &Workers) {
    for (route, _) in SERVICES {
        for reply in workers.fetch(&format!("/{route}"), &[]).await {
            assert_eq!((reply.status.as_u16(), reply.pod.as_str()), (200, "ok"), "{route}");
        }
    }
    assert_no_vm_failed(envoy).await;
}

async fn no_request_harms_a_vm(with_keys: bool) {
    let pod = patient_pod();
    let envoy = start(&pod, with_keys).await;
    let workers = Workers::of(&envoy).await;
    let mut dice = Dice(9);
    for (route, cookie) in SERVICES {
        let path = format!("/{route}/in").into_bytes();
        let begun = get(&envoy, &path, b"").await;
        let begun = String::from_utf8(begun).unwrap();
        let token = begun.split(&format!("{cookie}=")).nth(1).and_then(|rest| rest.split(';').next());
        let token = token.unwrap_or("no-token").to_owned();
        for lines in lines_that_pass(cookie, &token) {
            let answer = get(&envoy, &path, &lines).await;
            let shown = String::from_utf8_lossy(&lines[..lines.len().min(100)]).into_owned();
            assert_eq!(status(&answer), 200, "{route}: {shown:?}: {:?}", String::from_utf8_lossy(&answer));
            assert_eq!(values(&answer, "x-debug").len(), 1, "{route}: {shown:?}");
        }
        for lines in lines_that_may_not_pass(cookie, &token) {
            let answer = get(&envoy, &path, &lines).await;
            let shown = String::from_utf8_lossy(&lines[..lines.len().min(100)]).into_owned();
            assert!(
                matches!(status(&answer), 0 | 200 | 400..500),
                "{route}: {shown:?}: {:?}",
                String::from_utf8_lossy(&answer)
            );
        }
        for _ in 0..100 {
            let lines = random_lines(&mut dice, cookie, &token);
            assert_eq!(status(&get(&envoy, &path, &lines).await), 200, "{route}: {lines:?}");
        }
        for path in
            [b"/\xff\xfe?\xff".as_slice(), b"?", b"/%ff%00;a=b#,", b"//\x80/../in", &vec![b'/'; 50_000]]
        {
            let path = [b"/", route.as_bytes(), path].concat();
            assert!(matches!(status(&get(&envoy, &path, b"").await), 200 | 400..500), "{path:?}");
        }
        assert_unharmed(&envoy, &workers).await;
    }
}

#[tokio::test]
async fn no_bytes_of_a_request_harm_a_vm_without_keys() {
    no_request_harms_a_vm(false).await;
}

#[tokio::test]
async fn no_bytes_of_a_request_harm_a_vm_with_keys() {
    no_request_harms_a_vm(true).await;
}

#[tokio::test]
async fn no_bytes_of_an_http2_request_harm_a_vm() {
    let pod = patient_pod();
    let envoy = start(&pod, true).await;
    let workers = Workers::of(&envoy).await;
    for (route, cookie) in SERVICES {
        let url = format!("{}/{route}/in", envoy.url());
        let begun = Client::http2().fetch(&url, &[]).await.unwrap();
        let pair = begun.cookie_pair(cookie).unwrap_or("GCLB=no-token").to_owned();
        let junk = format!("{cookie}=x");
        let crumbs = |before: usize, after: usize| {
            let mut crumbs = vec![junk.as_bytes(); before];
            crumbs.push(pair.as_bytes());
            crumbs.resize(before + 1 + after, b"\xff=\x80");
            crumbs
        };
        for crumbs in [
            crumbs(0, 1),
            crumbs(3, 1),
            crumbs(3000, 3000),
            vec![b"\xff\xfe".as_slice(), b"", b";", b"=", b"\"", b"\t", pair.as_bytes()],
        ] {
            let headers: Vec<(&str, &[u8])> = crumbs.iter().map(|crumb| ("cookie", *crumb)).collect();
            let reply = Client::http2().fetch(&url, &headers).await.unwrap();
            assert_eq!(reply.status, 200, "{route}");
        }
        let large = [junk.as_bytes(), &vec![b'A'; 60 * 1024]].concat();
        for header in ["cookie", "cache-control", "set-cookie", "x-any"] {
            let headers =
                [(header, large.as_slice()), (header, b"\xff\xfe\x80"), ("cookie", pair.as_bytes())];
            let reply = Client::http2().fetch(&url, &headers).await.unwrap();
            assert_eq!(reply.status, 200, "{route}: {header}");
        }
    }
    assert_unharmed(&envoy, &workers).await;
}
