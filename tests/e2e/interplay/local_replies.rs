//! `local_reply_config`: operators change Envoy's own replies.

use harness::client::Client;
use harness::envoy::Envoy;
use serde_json::json;

use super::told;
use crate::availability::fleet::{Fleet, session_on};

#[tokio::test]
async fn local_replies_in_other_words_eject_a_backend_all_the_same() {
    for detection in [json!({}), json!({ "consecutiveGatewayErrors": 5 })] {
        let mut fleet = Fleet::start(2);
        let plugin = fleet.plugin(&json!({ "outlierDetection": detection }));
        let config = fleet.bootstrap().filter(&plugin).hcm(|manager| {
            let is_503 = json!({ "op": "EQ", "value": { "default_value": 503, "runtime_key": "none" } });
            manager["local_reply_config"] = json!({
                "mappers": [{
                    "filter": { "status_code_filter": { "comparison": is_503 } },
                    "status_code": 500,
                    "headers_to_add": [{ "header": { "key": "x-reworded", "value": "yes" } }],
                }],
                "body_format": { "json_format": { "error": "%LOCAL_REPLY_BODY%" } },
            });
        });
        let envoy = Envoy::start(&config.build()).await.unwrap();
        let cookie = session_on(&envoy, "app-1").await;
        let client = Client::http1();
        fleet.down(1);
        for _ in 0..3 {
            let failed = client.fetch_with_cookie(&envoy.url(), &cookie).await.unwrap();
            assert_eq!(told(&failed), (500, "pinned".to_owned()), "{detection}");
            assert_eq!(failed.header("x-reworded").unwrap(), "yes");
            assert!(failed.set_cookies.is_empty());
        }
        let moved = client.fetch_with_cookie(&envoy.url(), &cookie).await.unwrap();
        assert_eq!((told(&moved), &*moved.pod), ((200, "repinned".to_owned()), "app-0"), "{detection}");
    }
}
