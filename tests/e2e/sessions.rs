//! Sessions by cookie: where they begin, that they stick, and when they end.

use harness::client::Client;
use serde_json::json;

use crate::support::{envoy, generated_cookie, pods};

#[tokio::test]
async fn a_client_that_sends_the_cookie_stays_on_its_pod() {
    let pods = pods(3);
    let envoy = envoy(&pods, &generated_cookie(&pods, &json!({ "affinityCookieTtlSec": 50 }))).await;
    let first = Client::http1().fetch(&envoy.url(), &[]).await.unwrap();
    let cookie = first.cookie_pair("GCLB").unwrap();
    for _ in 0..20 {
        let again = Client::http1_fresh().fetch_with_cookie(&envoy.url(), cookie).await.unwrap();
        assert_eq!(again.pod, first.pod);
    }
}
