//! Another filter makes Envoy select the route again: the session affinity filter must not use the old route.

use harness::client::{Client, Reply};
use harness::config::Bootstrap;
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};

use super::{route, warnings};
use crate::endpoints::fleet::keys;
use crate::support::{bootstrap, fetch_each, pods};

/// Sets a header and clears Envoy's route cache, as `ext_authz` and `jwt_authn` do.
fn lua() -> Value {
    let code = "function envoy_on_request(handle)
      if handle:headers():get('x-tenant') then
        handle:headers():replace('x-to-second', 'yes')
        handle:clearRouteCache()
      end
    end";
    json!({
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": { "inline_string": code },
        },
    })
}

/// Changes nothing.
fn header_mutation() -> Value {
    json!({
        "name": "envoy.filters.http.header_mutation",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation" },
    })
}

/// Two services, each with its own route and backend. Requests of tenants begin on the route `first-route`, and the
/// filters before the session affinity filter send them to `second-route`.
async fn two_services(affinity: &Value, before: Vec<Value>) -> (Vec<Pod>, Envoy) {
    let pods = pods(2);
    let service = |name: &str, cookie: &str, backend: &str| {
        let mut affinity = affinity.clone();
        let carrier = if affinity["affinityType"] == "GENERATED_COOKIE" { "cookie" } else { "header" };
        affinity[carrier] = json!({ "name": cookie });
        let routes = [format!("{name}-route")];
        json!({ "name": name, "routes": routes, "sessionAffinity": affinity, "backends": [backend] })
    };
    let plugin = json!({
        "services": [service("first", "x-one", "neg-demo-0"), service("second", "x-two", "neg-demo-1")],
        "keys": keys(),
        "debugHeader": "x-debug",
    });
    let mut second = route("second-route", "/");
    second["match"]["headers"] = json!([{ "name": "x-to-second", "present_match": true }]);
    let config: Bootstrap =
        bootstrap(&pods).filter(&plugin).route(second).route(route("first-route", "/")).hcm(|manager| {
            let filters = manager["http_filters"].as_array_mut().unwrap();
            filters.splice(..0, before).for_each(drop);
        });
    (pods, Envoy::start(&config.build()).await.unwrap())
}

fn affinities() -> [Value; 2] {
    ["GENERATED_COOKIE", "GENERATED_HEADER"].map(|kind| json!({ "affinityType": kind }))
}

async fn forty(envoy: &Envoy) -> Vec<Reply> {
    fetch_each(Client::http1, &envoy.url(), vec![vec![("x-tenant", b"1".to_vec())]; 40]).await
}

#[tokio::test]
async fn with_an_empty_header_mutation_before_the_filter_the_right_service_serves() {
    for affinity in affinities() {
        let (_pods, envoy) = two_services(&affinity, vec![lua(), header_mutation()]).await;
        for reply in forty(&envoy).await {
            assert_eq!(reply.header("x-debug").unwrap(), "assigned; service=second");
            assert_eq!((reply.status.as_u16(), &*reply.pod), (200, "neg-demo-1"));
            assert!(reply.set_cookie("x-two").is_some() || reply.headers.contains_key("x-two"));
        }
        assert_eq!(warnings(&envoy, &["first-route"]), [""; 0]);
    }
}

#[tokio::test]
async fn without_it_no_token_goes_out_and_one_warning_names_both_routes() {
    for affinity in affinities() {
        let (_pods, envoy) = two_services(&affinity, vec![lua()]).await;
        for reply in forty(&envoy).await {
            let debug = reply.header("x-debug").unwrap();
            assert!(reply.set_cookies.is_empty(), "{debug}: {} and {:?}", reply.pod, reply.set_cookies);
            for header in ["x-one", "x-two"] {
                assert_eq!(reply.header(header), None, "{debug}: {}", reply.pod);
            }
        }
        let said = warnings(&envoy, &["first-route", "second-route"]);
        assert_eq!(said.len(), 1, "{affinity}: {said:#?}");
        // Other requests are served as before.
        let other = Client::http1().fetch(&envoy.url(), &[]).await.unwrap();
        assert_eq!(other.header("x-debug").unwrap(), "assigned; service=first");
        assert!(other.set_cookie("x-one").is_some() || other.headers.contains_key("x-one"));
    }
}

#[tokio::test]
async fn types_without_a_token_are_warned_of_too() {
    let (_pods, envoy) = two_services(&json!({ "affinityType": "HEADER_FIELD" }), vec![lua()]).await;
    forty(&envoy).await;
    let said = warnings(&envoy, &["first-route", "second-route"]);
    assert_eq!(said.len(), 1, "{said:#?}");
}
