//! The positions in a request at which the filter looks for the cookie, and the cookie that counts.

use harness::client::Client;
use serde_json::json;

use crate::support::{Headers, envoy, generated_cookie, outcome, pods, session};

/// One `Cookie` line for each text.
fn lines(texts: &[&str]) -> Headers {
    texts.iter().map(|text| ("cookie", text.as_bytes().to_vec())).collect()
}

/// Ten pods: a lost session reaches its own backend by chance too rarely to stay unnoticed ten times. The outcome also
/// shows the result each time.
#[tokio::test]
async fn the_cookie_is_found_wherever_it_stands() {
    let pods = pods(10);
    let envoy = envoy(&pods, &generated_cookie(&pods, &json!({}))).await;
    let (cookie, pod) = session(&envoy).await;
    let value = cookie.strip_prefix("GCLB=").unwrap();
    let requests = [
        lines(&[&format!("a=1; {cookie}; b=2")]),
        lines(&[&format!("a=1;{cookie};b=2")]),
        lines(&[&format!("  {cookie}  ;")]),
        lines(&[&format!("GCLB=\"{value}\"")]),
        lines(&[&format!("a=\"x,y\"; {cookie}")]),
        lines(&[&format!("a=x,y; b=\"; {cookie}; c=,")]),
        lines(&[&format!("flag; ;; =; {cookie}")]),
        lines(&["a=1", &cookie, "b=2"]),
        lines(&["a=1, b=2", &format!("c=3; {cookie}")]),
        vec![("cookie", [b"a=\xff\xfe; ", cookie.as_bytes()].concat())],
        lines(&[&format!("xGCLB=1; GCLBx=2; gclb=3; {cookie}")]),
    ];
    for client in [Client::http1(), Client::http2()] {
        for headers in &requests {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
            let reply = client.fetch(&envoy.url(), &headers).await.unwrap();
            let shown: Vec<_> = headers.iter().map(|(_, line)| String::from_utf8_lossy(line)).collect();
            assert_eq!((&*outcome(&reply), &reply.pod), ("pinned", &pod), "{shown:?}");
            assert!(reply.set_cookies.is_empty(), "{shown:?}");
        }
    }
}

#[tokio::test]
async fn cookies_of_other_names_are_none_of_ours() {
    let pods = pods(2);
    let envoy = envoy(&pods, &generated_cookie(&pods, &json!({}))).await;
    let (cookie, _) = session(&envoy).await;
    for line in [
        "a=1".to_owned(),
        format!("x{cookie}"),
        cookie.to_lowercase(),
        format!("a=x {cookie}"),
        format!("a=x,{cookie}"),
        cookie.replace('=', "x="),
        "GCLB".to_owned(),
    ] {
        let reply = Client::http1().fetch_with_cookie(&envoy.url(), &line).await.unwrap();
        assert_eq!(outcome(&reply), "assigned", "{line}");
        assert_eq!(reply.set_cookies.len(), 1, "{line}");
    }
}

#[tokio::test]
async fn the_first_valid_cookie_of_several_counts() {
    let pods = pods(3);
    let envoy = envoy(&pods, &generated_cookie(&pods, &json!({}))).await;
    let (first, pod) = session(&envoy).await;
    let (mut other, mut elsewhere) = session(&envoy).await;
    while elsewhere == pod {
        (other, elsewhere) = session(&envoy).await;
    }
    for line in [
        format!("{first}; {other}"),
        format!("GCLB=garbage; {first}; {other}"),
        format!("GCLB=; GCLB=\"; {first}; GCLB=x"),
    ] {
        let reply = Client::http1().fetch_with_cookie(&envoy.url(), &line).await.unwrap();
        assert_eq!((&*outcome(&reply), &reply.pod), ("pinned", &pod), "{line}");
    }
    let reply = Client::http1().fetch_with_cookie(&envoy.url(), &format!("{other}; {first}")).await.unwrap();
    assert_eq!((&*outcome(&reply), &reply.pod), ("pinned", &elsewhere));
}

#[tokio::test]
async fn at_most_sixteen_cookies_that_look_like_tokens_are_tried() {
    let pods = pods(1);
    let envoy = envoy(&pods, &generated_cookie(&pods, &json!({}))).await;
    let (cookie, _) = session(&envoy).await;
    // It has the length and the first byte of a token, but another last character.
    let (start, end) = cookie.split_at(cookie.len() - 1);
    let lookalike = format!("{start}{}; ", if end == "A" { "Q" } else { "A" });
    for (junk, count, expected) in [
        ("GCLB=x; ", 500, "pinned"),
        (&*lookalike, 15, "pinned"),
        (&*lookalike, 16, "invalid"),
        (&*lookalike, 300, "invalid"),
    ] {
        let line = format!("{}{cookie}", junk.repeat(count));
        let reply = Client::http1().fetch_with_cookie(&envoy.url(), &line).await.unwrap();
        assert_eq!(outcome(&reply), expected, "{count} of {junk} before it");
        assert_eq!(reply.set_cookies.is_empty(), expected == "pinned");
    }
}
