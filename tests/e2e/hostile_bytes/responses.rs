//! Hostile responses of applications.

use std::net::SocketAddr;

use harness::config::{Bootstrap, cluster, default_route};
use harness::envoy::Envoy;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{get, status, values};
use crate::shipped_files::SECRET;
use crate::workers::{Workers, assert_no_vm_failed};

/// Heads of responses without their end, with any bytes. Envoy forwards all of them.
pub fn heads_that_pass() -> Vec<Vec<u8>> {
    let head = |lines: &[u8]| [b"HTTP/1.1 200 OK\r\n", lines].concat();
    let line = |name: &str, value: &[u8]| head(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
    let high: Vec<u8> = (0x80..=0xff).collect();
    let many = |count: usize, one: &str| one.repeat(count).into_bytes();
    let mut heads = vec![
        head(b""),
        head(&many(5000, "set-cookie: a=b; Path=/\r\n")),
        head(&many(5000, "cache-control: public\r\n")),
        head(&many(5000, "x-any: \r\n")),
        head(&many(2000, "surrogate-control: a\r\nCDN-Cache-Control: b\r\n")),
        line("cache-control", &many(50_000, ",")),
        line("cache-control", &many(20_000, "\",")),
        line("cache-control", &many(20_000, "\\\"")),
        line("cache-control", &many(20_000, "s-maxage=\"1,")),
        line("cache-control", b"private=\"set-cookie, \xff\", x=\"\\"),
        line("cache-control", b"\"no-store\", \"private, public\xff, s-maxage\t= 1"),
        line("set-cookie", b"GCL"),
        line("set-cookie", b"=GCLB"),
        line("set-cookie", b"GCLB"),
        line("set-cookie", b"GCLB; a=b"),
        line("set-cookie", b"GCLBx=1"),
        line("set-cookie", b"\xffGCLB=1; GCLB=2"),
        line("set-cookie", &many(50_000, ";")),
        line("set-cookie", &many(50_000, "=")),
        line("x-affinity-cluster", &high),
        line("x-debug", &high),
    ];
    for name in ["set-cookie", "cache-control", "surrogate-control", "vary", "content-type", "x-any"] {
        heads.extend([line(name, b""), line(name, &high), line(name, &many(500 * 1024, "A"))]);
    }
    for first in
        ["HTTP/1.1 400 Bad", "HTTP/1.1 404 \u{fffd}", "HTTP/1.1 500", "HTTP/1.1 599 x", "HTTP/1.0 200 OK"]
    {
        heads.push([first.as_bytes(), b"\r\nset-cookie: ", &high, b"\r\n"].concat());
    }
    heads
}

/// Bytes that Envoy may or may not accept as a response.
pub fn answers_that_may_not_pass() -> Vec<Vec<u8>> {
    let mut answers: Vec<Vec<u8>> = [
        "",
        "\r\n",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 000 \r\n\r\n",
        "HTTP/1.1 999 \r\n\r\n",
        "HTTP/1.1 -1 \r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n\u{81}",
        "HTTP/1.1 103 Early Hints\r\nset-cookie: a=b\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: empty\r\n\r\n",
        "HTTP/1.1 200 OK\r\nset-cookie : a=b\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nset-cookie: a=b\r\n ;c=d\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nset-cookie: GCLB=1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffffff\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]
    .map(|answer| answer.as_bytes().to_vec())
    .into();
    for control in (0x00..0x20).chain([0x7f]) {
        for (before, after) in
            [("set-cookie: GCLB", "=1"), ("cache-control: public", ", max-age=1"), ("x-a", ": b")]
        {
            let start = [b"HTTP/1.1 200 OK\r\n", before.as_bytes(), &[control], after.as_bytes()].concat();
            answers.push([&start, b"\r\ncontent-length: 0\r\n\r\n".as_slice()].concat());
        }
    }
    let too_large = format!("HTTP/1.1 200 OK\r\nset-cookie: {}\r\n\r\n", "A".repeat(9 << 20));
    let too_many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(25_000));
    answers.extend([too_large.into_bytes(), too_many.into_bytes()]);
    answers
}

/// A pod that responds to a request for `/<number>` with the bytes of that number, and closes the connection.
async fn scripted_pod(answers: Vec<Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0)
            {
            }
            let head = String::from_utf8(head).unwrap();
            let path = head.strip_prefix("GET /").and_then(|rest| rest.split(' ').next());
            let answer = path.and_then(|path| answers.get(path.parse::<usize>().ok()?));
            // Envoy may close the connection before it has read the whole response.
            let _ = stream.write_all(answer.map_or(b"HTTP/1.1 404 No\r\n\r\n", Vec::as_slice)).await;
            let _ = stream.shutdown().await;
        }
    });
    address
}

/// An Envoy in front of that pod, with far higher limits for responses than the default. The path `/` needs no pod.
async fn start(pod: SocketAddr, with_keys: bool) -> Envoy {
    let mut app = cluster("app", &[pod]);
    app["typed_extension_protocol_options"] = json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": { "http_protocol_options": {} },
        "common_http_protocol_options": { "max_headers_count": 20000, "max_response_headers_kb": 8192 },
    } });
    let mut plugin = json!({
        "sessionAffinity": { "affinityType": "GENERATED_COOKIE" }, "backends": ["app"], "debugHeader": "x-debug",
    });
    if with_keys {
        plugin["keys"] = json!([{ "id": "k1", "secret": SECRET }]);
    }
    let bootstrap = Bootstrap::new().cluster_json(app).filter(&plugin);
    let bootstrap = bootstrap
        .route(json!({ "match": { "path": "/" }, "direct_response": { "status": 200 } }))
        .route(default_route())
        .hcm(|manager| manager["delayed_close_timeout"] = json!("0s"));
    Envoy::start(&bootstrap.build()).await.unwrap()
}

async fn no_response_harms_a_vm(with_keys: bool) {
    const END: &[u8] = b"content-length: 2\r\nconnection: close\r\n\r\nok";
    let heads = heads_that_pass();
    let whole = heads.iter().map(|head| [head, END].concat());
    let answers: Vec<Vec<u8>> = whole.chain(answers_that_may_not_pass()).collect();
    let envoy = start(scripted_pod(answers.clone()).await, with_keys).await;
    let workers = Workers::of(&envoy).await;
    for (number, answer) in answers.iter().enumerate() {
        let path = format!("/{number}");
        let got = get(&envoy, path.as_bytes(), b"connection: close\r\n").await;
        let shown = String::from_utf8_lossy(&answer[..answer.len().min(100)]).into_owned();
        if number >= heads.len() {
            // Envoy decides whether this response is valid. The filter must survive it.
            continue;
        }
        assert_eq!(status(&got), status(answer), "{shown:?}: {:?}", String::from_utf8_lossy(&got));
        // The application's cookies are unchanged, and the filter's cookie is added.
        let (ours, theirs): (Vec<&[u8]>, _) = values(&got, "set-cookie")
            .into_iter()
            .partition(|line| line.ends_with(b"; Path=/; HttpOnly; SameSite=Lax"));
        assert_eq!(ours.len(), 1, "{shown:?}");
        assert!(theirs == values(answer, "set-cookie"), "{shown:?}");
        let cache_control = values(&got, "cache-control").join(&b", "[..]);
        let private = [b"private".as_slice(), b"no-store"];
        let is_private =
            private.iter().any(|word| cache_control.windows(word.len()).any(|part| part == *word));
        assert!(is_private, "{shown:?}");
        for name in ["surrogate-control", "cdn-cache-control"] {
            assert!(values(&got, name).is_empty(), "{shown:?}");
        }
        assert_eq!(values(&got, "x-debug"), [b"assigned; service=default"], "{shown:?}");
    }
    for reply in workers.fetch("/0", &[]).await {
        assert_eq!(reply.status, 200);
        assert!(reply.set_cookie("GCLB").is_some());
    }
    assert_no_vm_failed(&envoy).await;
}

#[tokio::test]
async fn no_bytes_of_a_response_harm_a_vm_without_keys() {
    no_response_harms_a_vm(false).await;
}

#[tokio::test]
async fn no_bytes_of_a_response_harm_a_vm_with_keys() {
    no_response_harms_a_vm(true).await;
}
