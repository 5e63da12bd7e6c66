//! gRPC: a failed call has the status 200 and reports its failure in `grpc-status`.

use harness::client::{Client, Reply};
use harness::envoy::Envoy;
use harness::pod::Pod;
use http::Method;
use serde_json::{Value, json};

use super::{hashed, obedient_pods, over_http2, told, user_of};
use crate::availability::fleet::Fleet;
use crate::ecds::SOON;
use crate::support::bootstrap;

/// A gRPC call of this user. The application responds with these header lines.
async fn call(client: &Client, envoy: &Envoy, user: &str, answer: &[&str]) -> Reply {
    let request = client.request(Method::POST, &format!("{}/demo.Greeter/Hello", envoy.url()));
    let request = request.header("content-type", "application/grpc").header("te", "trailers");
    let request = answer.iter().fold(request, |request, line| request.header("x-answer-header", *line));
    Reply::to(request.header("x-user", user).body([0_u8; 5].to_vec())).await.unwrap()
}

#[tokio::test]
async fn three_failed_grpc_calls_eject_a_backend_and_later_calls_move() {
    for detection in [json!({}), json!({ "consecutiveGatewayErrors": 5 })] {
        let mut fleet = Fleet::start(2);
        let plugin = hashed(&json!({ "outlierDetection": detection }));
        let config = fleet.bootstrap().filter(&plugin).edit(over_http2).build();
        let envoy = Envoy::start(&config).await.unwrap();
        let client = Client::http2();
        let user = user_of(&client, &envoy, "app-1").await;
        fleet.down(1);
        envoy.wait_for_stat("cluster.app-1.upstream_cx_active", |count| count == 0, SOON).await.unwrap();
        for _ in 0..3 {
            let failed = call(&client, &envoy, &user, &[]).await;
            assert_eq!(told(&failed), (200, "hashed".to_owned()), "{detection}");
            assert_eq!(failed.header("grpc-status").unwrap(), "14");
        }
        let moved = call(&client, &envoy, &user, &[]).await;
        assert_eq!((told(&moved), &*moved.pod), ((200, "repinned".to_owned()), "app-0"), "{detection}");
    }
}

/// Two applications that speak gRPC, and a user of the second application.
async fn applications(detection: Value) -> ([Pod; 2], Envoy, Client, String) {
    let pods = obedient_pods();
    let plugin = hashed(&json!({ "outlierDetection": detection }));
    let config = bootstrap(&pods).filter(&plugin).edit(over_http2).build();
    let envoy = Envoy::start(&config).await.unwrap();
    let client = Client::http2();
    let user = user_of(&client, &envoy, "app-1").await;
    (pods, envoy, client, user)
}

#[tokio::test]
async fn an_applications_own_grpc_status_14_is_a_gateway_error() {
    let detection = json!({ "consecutiveGatewayErrors": 3, "consecutiveLocalOriginFailure": 0 });
    let (_pods, envoy, client, user) = applications(detection).await;
    for _ in 0..3 {
        let failed =
            call(&client, &envoy, &user, &["content-type: application/grpc", "grpc-status: 14"]).await;
        assert_eq!(told(&failed), (200, "hashed".to_owned()));
        assert_eq!(failed.header("grpc-status").unwrap(), "14", "the application's own answer");
    }
    let moved = call(&client, &envoy, &user, &[]).await;
    assert_eq!((told(&moved), &*moved.pod), ((200, "repinned".to_owned()), "app-0"));
}

#[tokio::test]
async fn no_other_grpc_status_and_no_other_content_is_a_gateway_error() {
    let detection = json!({ "consecutiveGatewayErrors": 3, "consecutiveLocalOriginFailure": 0 });
    let (_pods, envoy, client, user) = applications(detection).await;
    for answer in [
        ["content-type: application/grpc", "grpc-status: 0"],
        ["content-type: application/grpc", "grpc-status: 5"],
        ["content-type: application/grpc", "grpc-status: 140"],
        ["content-type: text/plain", "grpc-status: 14"],
    ] {
        for _ in 0..5 {
            let reply = call(&client, &envoy, &user, &answer).await;
            assert_eq!(told(&reply), (200, "hashed".to_owned()), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn an_applications_grpc_status_14_says_nothing_where_gateway_errors_do_not_count() {
    let (_pods, envoy, client, user) = applications(json!({})).await;
    for _ in 0..5 {
        let reply =
            call(&client, &envoy, &user, &["content-type: application/grpc", "grpc-status: 14"]).await;
        assert_eq!(told(&reply), (200, "hashed".to_owned()));
    }
}
