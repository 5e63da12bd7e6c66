//! Header names that are not UTF-8. HTTP does not allow them, but another filter can add them.

use harness::client::Client;
use harness::envoy::Envoy;
use serde_json::{Value, json};

use crate::support::{bootstrap, generated_cookie, outcome, pods};
use crate::workers::assert_no_vm_failed;

/// A Lua filter that adds such a header to the request or to the response.
fn lua(handler: &str, handle: &str) -> Value {
    let code = format!("function {handler}(handle)\n  handle:headers():add(\"x-\\255-\\128\", \"1\")\nend\n");
    json!({
        "name": format!("lua_{handle}"),
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": { "inline_string": code },
        },
    })
}

#[tokio::test]
async fn a_header_whose_name_is_not_utf_8_costs_no_session_and_no_vm() {
    let pods = pods(2);
    let before = lua("envoy_on_request", "request");
    let plugin = generated_cookie(&pods, &json!({ "cookie": { "hideFromUpstream": true } }));
    let bootstrap = bootstrap(&pods)
        .filter(&plugin)
        .http_filter(lua("envoy_on_response", "response"))
        .hcm(move |manager| manager["http_filters"].as_array_mut().unwrap().insert(0, before));
    let envoy = Envoy::start(&bootstrap.build()).await.unwrap();
    for client in [Client::http1(), Client::http2()] {
        let first = client.fetch(&envoy.url(), &[("cookie", b"a=1")]).await;
        // Envoy may refuse to forward such a header. The VM must survive in both cases.
        if let Ok(first) = first
            && let Some(cookie) = first.cookie_pair("GCLB")
        {
            let again = client.fetch_with_cookie(&envoy.url(), cookie).await.unwrap();
            assert_eq!((&*outcome(&again), again.pod), ("pinned", first.pod));
        }
    }
    assert_no_vm_failed(&envoy).await;
}
