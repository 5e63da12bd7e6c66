//! CORS preflights: browsers send no cookies with them and store none.

use harness::client::{Client, Reply};
use http::Method;
use serde_json::json;

use crate::support::{envoy, generated_cookie, outcome, pods, session};

#[tokio::test]
async fn a_preflight_begins_no_session_and_counts_none() {
    let pods = pods(3);
    let envoy = envoy(&pods, &generated_cookie(&pods, &json!({}))).await;
    let (cookie, pod) = session(&envoy).await;
    let client = Client::http1();
    let options = |lines: &[(&str, &str)]| {
        let request = client.request(Method::OPTIONS, &envoy.url()).header("origin", "https://shop.example");
        Reply::to(lines.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
    };
    let preflight = ("access-control-request-method", "PUT");
    for _ in 0..10 {
        let reply = options(&[preflight]).await.unwrap();
        assert_eq!((&*outcome(&reply), reply.status.as_u16()), ("none", 200));
        assert_eq!(reply.set_cookies, [""; 0]);
        assert_eq!(reply.header("cache-control"), None);
    }
    let with_session = options(&[preflight, ("cookie", &cookie)]).await.unwrap();
    assert_eq!((&*outcome(&with_session), &with_session.pod), ("pinned", &pod));
    // Any other OPTIONS request, and any other method, begins a session.
    let no_preflight = options(&[]).await.unwrap();
    assert_eq!((&*outcome(&no_preflight), no_preflight.set_cookies.len()), ("assigned", 1));
    let get = client.fetch(&envoy.url(), &[("access-control-request-method", b"PUT")]).await.unwrap();
    assert_eq!((&*outcome(&get), get.set_cookies.len()), ("assigned", 1));
}

#[tokio::test]
async fn a_preflight_gets_no_generated_header_either() {
    let pods = pods(2);
    let affinity = json!({ "affinityType": "GENERATED_HEADER", "header": { "name": "x-session" } });
    let plugin = json!({
        "sessionAffinity": affinity, "backends": ["neg-demo-0", "neg-demo-1"], "debugHeader": "x-debug",
    });
    let envoy = envoy(&pods, &plugin).await;
    let request = Client::http1().request(Method::OPTIONS, &envoy.url());
    let reply = Reply::to(request.header("access-control-request-method", "PUT")).await.unwrap();
    assert_eq!((&*outcome(&reply), reply.header("x-session")), ("none", None));
}
