//! `REJECT` of gRPC calls: by the filter, or, with endpoint pins, by Envoy's `stateful_session` under the filter's
//! control.

use harness::client::{Client, Reply};
use harness::config::{Bootstrap, stateful_session};
use http::Method;
use serde_json::json;

use super::{route_to, speak_http2};
use crate::availability::fleet::session_on;
use crate::ecds::eventually;
use crate::endpoints::fleet::{Fleet, endpoints, pin_endpoint};
use crate::support::{outcome, pods};

#[tokio::test]
async fn a_rejected_grpc_call_keeps_the_status_that_grpc_has() {
    let pods = pods(2);
    let mut plugin = pin_endpoint();
    plugin["onUnavailable"] = json!("REJECT");
    plugin["rejectStatus"] = json!(410);
    let strict = |bootstrap: Bootstrap| {
        bootstrap.http_filter(stateful_session(true)).route(route_to("pods", "app", "/"))
    };
    let mut fleet = Fleet::start(&endpoints(&pods), &plugin, strict, speak_http2).await;
    let lost = fleet.begin(30).await.on("neg-demo-0").clone();
    fleet.publish(&endpoints(&pods)[1..]).await;
    fleet.until_it_is_refused(&lost, 410).await;
    for _ in 0..5 {
        let call =
            Client::http2().request(Method::POST, &format!("{}/demo.Greeter/Hello", fleet.envoy.url()));
        let call = call.header("content-type", "application/grpc").header("te", "trailers");
        let reply = Reply::to(call.header("cookie", &lost.cookie).body([0_u8; 5].to_vec())).await.unwrap();
        assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (200, "rejected"), "{:?}", reply.headers);
        assert_eq!(reply.header("grpc-status").unwrap(), "14");
        assert_eq!(reply.set_cookies, [""; 0]);
    }
}

#[tokio::test]
async fn a_grpc_call_that_the_filter_itself_rejects_is_unavailable_whatever_the_reject_status() {
    let mut fleet = crate::availability::fleet::Fleet::start(2);
    let fields = json!({
        "onUnavailable": "REJECT", "rejectStatus": 410,
        "outlierDetection": { "consecutiveLocalOriginFailure": 1 },
    });
    let envoy = fleet.envoy(&fields).await;
    let cookie = session_on(&envoy, "app-1").await;
    fleet.down(1);
    let get = async || Client::http1_fresh().fetch_with_cookie(&envoy.url(), &cookie).await.unwrap();
    for _ in 0..20 {
        // Every worker knows of the loss within a tick.
        eventually("the session is refused", async || outcome(&get().await) == "rejected").await;
    }
    let call = Client::http2().request(Method::POST, &format!("{}/demo.Greeter/Hello", envoy.url()));
    let call = call.header("content-type", "application/grpc").header("te", "trailers");
    let reply = Reply::to(call.header("cookie", &cookie).body([0_u8; 5].to_vec())).await.unwrap();
    assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (200, "rejected"), "{:?}", reply.headers);
    assert_eq!(reply.header("grpc-status").unwrap(), "14");
}
