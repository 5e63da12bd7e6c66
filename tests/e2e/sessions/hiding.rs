//! `hideFromUpstream`: the application sees every cookie except the filter's.

use harness::client::Client;
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::json;

use crate::support::{envoy, generated_cookie, outcome, pods, session};

/// Sends these `Cookie` lines, and returns those that reached the pod.
async fn through(client: &Client, envoy: &Envoy, pod: &Pod, lines: &[&[u8]]) -> (String, Vec<Vec<u8>>) {
    let headers: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
    let reply = client.fetch(&envoy.url(), &headers).await.unwrap();
    (outcome(&reply), pod.last_request().header("cookie"))
}

/// The cookies of `Cookie` lines: the exact bytes between semicolons.
fn cookies(lines: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let pairs = lines.iter().flat_map(|line| line.split(|byte| *byte == b';'));
    pairs.map(|pair| pair.trim_ascii().to_vec()).collect()
}

type Lines<'a> = &'a [&'a [u8]];

#[tokio::test]
async fn a_hidden_cookie_leaves_the_others_as_they_were() {
    let pods = pods(1);
    let hidden = json!({ "cookie": { "hideFromUpstream": true } });
    let envoy = envoy(&pods, &generated_cookie(&pods, &hidden)).await;
    let (cookie, _) = session(&envoy).await;
    let ours = cookie.as_bytes();
    let quoted = cookie.replacen('=', "=\"", 1) + "\"";
    // The lines as sent, and the cookies that must remain.
    let cases: [(Lines, Lines); 11] = [
        (&[ours, b"a=1"], &[b"a=1"]),
        (&[&[b"a=1; ", ours, b"; b=2"].concat()], &[b"a=1", b"b=2"]),
        (&[&[b"a=1; b=2; ", ours].concat()], &[b"a=1", b"b=2"]),
        (&[&[b"a=1; ", quoted.as_bytes(), b"; b=2"].concat()], &[b"a=1", b"b=2"]),
        (&[b"a=1", &[ours, b"; b=2"].concat(), b"c=3"], &[b"a=1", b"b=2", b"c=3"]),
        (&[&[b"a=x,y; ", ours, b"; b=\"p, q\""].concat()], &[b"a=x,y", b"b=\"p, q\""]),
        (&[b"a=x,y; b=,", &[ours, b"; c=z,"].concat()], &[b"a=x,y", b"b=,", b"c=z,"]),
        (&[&[ours, b"; xGCLB=1; GCLBx=2; gclb=3"].concat()], &[b"xGCLB=1", b"GCLBx=2", b"gclb=3"]),
        (&[&[b"a=\xff\xfe; ", ours, b"; b=c=d; flag"].concat()], &[b"a=\xff\xfe", b"b=c=d", b"flag"]),
        (&[&[b"a=x,GCLB=no; ", ours].concat()], &[b"a=x,GCLB=no"]),
        (&[&[b"GCLB=garbage; a=1; ", ours, b"; GCLB; GCLB="].concat()], &[b"a=1", b"GCLB"]),
    ];
    for client in [Client::http1(), Client::http2()] {
        for (sent, left) in cases {
            let shown: Vec<_> = sent.iter().map(|line| String::from_utf8_lossy(line)).collect();
            let (outcome, seen) = through(&client, &envoy, &pods[0], sent).await;
            assert_eq!(
                (&*outcome, cookies(&seen)),
                ("pinned", left.iter().map(|c| c.to_vec()).collect()),
                "{shown:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_cookie_header_vanishes_with_its_only_cookie() {
    let pods = pods(1);
    let hidden = json!({ "cookie": { "hideFromUpstream": true } });
    let envoy = envoy(&pods, &generated_cookie(&pods, &hidden)).await;
    let (cookie, _) = session(&envoy).await;
    let ours = cookie.as_bytes();
    for client in [Client::http1(), Client::http2()] {
        let none = Vec::<Vec<u8>>::new();
        let alone: [&[&[u8]]; 4] =
            [&[ours], &[ours, ours], &[&[ours, b"; GCLB=x;"].concat()], &[b"GCLB=x", ours]];
        for lines in alone {
            let (outcome, seen) = through(&client, &envoy, &pods[0], lines).await;
            assert_eq!((&*outcome, &seen), ("pinned", &none));
        }
        let (outcome, seen) = through(&client, &envoy, &pods[0], &[b"GCLB=x"]).await;
        assert_eq!((&*outcome, &seen), ("invalid", &none));
        let (_, seen) = through(&client, &envoy, &pods[0], &[b"a=1;b=2 ;  c"]).await;
        assert_eq!(seen, [b"a=1;b=2 ;  c"], "nothing of ours, nothing changed");
    }
}

#[tokio::test]
async fn a_cookie_is_hidden_outside_its_path_as_well() {
    let pods = pods(1);
    let hidden = json!({ "cookie": { "path": "/shop", "hideFromUpstream": true } });
    let envoy = envoy(&pods, &generated_cookie(&pods, &hidden)).await;
    let url = format!("{}/elsewhere", envoy.url());
    let reply = Client::http1().fetch_with_cookie(&url, "a=1; GCLB=x").await.unwrap();
    assert_eq!(outcome(&reply), "none");
    assert_eq!(pods[0].last_request().header("cookie"), [b"a=1"]);
}

#[tokio::test]
async fn a_cookie_that_is_not_hidden_reaches_the_application_as_sent() {
    let pods = pods(1);
    let envoy = envoy(&pods, &generated_cookie(&pods, &json!({}))).await;
    let (cookie, _) = session(&envoy).await;
    for line in [cookie.clone(), format!("a=1;{cookie} ;  b=\"x,y\"; ;"), "GCLB=garbage".to_owned()] {
        let (_, seen) = through(&Client::http1(), &envoy, &pods[0], &[line.as_bytes()]).await;
        assert_eq!(seen, [line.as_bytes()]);
    }
}
