//! `capability_restriction_config`: operators allow a plugin only the host calls and callbacks that it needs.

use std::collections::BTreeSet;
use std::fs;

use harness::client::{Client, Reply};
use harness::config::Bootstrap;
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};

use crate::availability::fleet::{Fleet, SECOND, told};
use crate::ecds::{SOON, eventually};
use crate::workers::{Workers, assert_no_vm_failed};
use harness::config::stateful_session;

const SECRET: &str = "Y2FwYWJpbGl0aWVzLWVuZC10by1lbmQtdGVzdC1rZXk=";

/// The snippet in docs/envoy.md.
fn documented() -> Value {
    let page = fs::read_to_string(harness::workspace_root().join("docs/envoy.md")).unwrap();
    let (_, section) = page.split_once("\n### Capabilities\n").expect("the page has the section");
    let (_, snippet) = section.split_once("\n```yaml\n").expect("the section has a snippet");
    let (snippet, _) = snippet.split_once("\n```\n").expect("the snippet ends");
    serde_saphyr::from_str(snippet).unwrap()
}

/// Services for every feature of the filter, each on its own route.
fn plugin() -> Value {
    let service = |name: &str, fields: Value| {
        let mut service = json!({
            "name": name,
            "routes": [name],
            "sessionAffinity": {
                "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": 3600, "cookie": { "name": name },
            },
        });
        service.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        service
    };
    json!({
        "debugHeader": "x-debug",
        "keys": [{ "id": "k1", "env": "KEY" }],
        "services": [
            service("ejecting", json!({
                "backends": ["app-0", "app-1"],
                "outlierDetection": { "consecutiveLocalOriginFailure": 1, "baseEjectionTimeSec": 300 },
            })),
            service("checking", json!({
                "backends": ["app-0", "app-1"],
                "onUnavailable": "REJECT",
                "rejectStatus": 521,
                "outlierDetection": { "consecutiveLocalOriginFailure": 0 },
                "healthCheck": { "checkIntervalSec": 1 },
            })),
            service("endpoints", json!({ "pin": "ENDPOINT" })),
        ],
    })
}

fn bootstrap(fleet: &Fleet, endpoints: &[Pod], restriction: &Value) -> Value {
    let route = |name: &str, cluster: &str, value: &str| json!({ "name": name, "match": { "prefix": format!("/{name}") }, "route": { cluster: value } });
    let addresses: Vec<_> = endpoints.iter().map(Pod::address).collect();
    let mut bootstrap: Bootstrap = fleet.bootstrap().cluster("endpoints", &addresses);
    for name in ["ejecting", "checking", "unserved"] {
        bootstrap = bootstrap.route(route(name, "cluster_header", "x-affinity-cluster"));
    }
    let restriction = restriction.clone();
    bootstrap
        .route(route("endpoints", "cluster", "endpoints"))
        .filter(&plugin())
        .env_key_values(&[("KEY", SECRET)])
        .http_filter(stateful_session(true))
        .edit(move |bootstrap| {
            let filters = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
            let config = &mut bootstrap.pointer_mut(filters).unwrap()[0]["typed_config"]["config"];
            config.as_object_mut().unwrap().extend(restriction.as_object().unwrap().clone());
        })
        .build()
}

/// Begins sessions of a service until one is on this pod. Returns the cookie of that session.
async fn session_on(envoy: &Envoy, service: &str, pod: &str) -> String {
    let (client, url) = (Client::http1_fresh(), format!("{}/{service}", envoy.url()));
    for _ in 0..100 {
        let reply = client.fetch(&url, &[]).await.unwrap();
        assert_eq!(told(&reply), (200, "assigned".to_owned(), &*reply.pod), "{service}");
        assert!(reply.header("cache-control").unwrap().contains("private"), "{service}");
        assert_eq!(reply.header("x-affinity-endpoint"), None, "{service}");
        if reply.pod == pod {
            return reply.cookie_pair(service).expect("a session begins").to_owned();
        }
    }
    panic!("none of 100 sessions of {service} began on {pod}");
}

/// Waits until every worker serves the session with the expected status and outcome.
async fn until_told(workers: &Workers, service: &str, cookie: &str, expected: (u16, &str)) {
    let path = format!("/{service}");
    let is_expected = |reply: &Reply| {
        let (status, outcome, _) = told(reply);
        (status, &*outcome) == expected
    };
    eventually(&format!("{service}: {expected:?}"), async || {
        workers.fetch(&path, &[("cookie", cookie.as_bytes())]).await.iter().all(is_expected)
    })
    .await;
}

#[tokio::test]
async fn with_the_documented_capabilities_and_no_others_the_filter_does_all_that_it_does() {
    let mut fleet = Fleet::start(2);
    let endpoints = ["pod-0", "pod-1"].map(|name| Pod::obedient(name).unwrap());
    let envoy = Envoy::start(&bootstrap(&fleet, &endpoints, &documented())).await.unwrap();
    let counter =
        |service: &str, name: &str| format!("wasmcustom.session_affinity.service.{service}.outcome.{name}");
    // A client cannot name a cluster on a route that no service serves, so the request has no cluster.
    let url = format!("{}/unserved", envoy.url());
    let unserved = Client::http1().fetch(&url, &[("x-affinity-cluster", b"app-0")]).await.unwrap();
    assert_eq!(unserved.status, 503);
    envoy.wait_for_stat("wasmcustom.session_affinity.unserved", |count| count == 1, SOON).await.unwrap();

    // Sessions pinned to clusters and to endpoints stay, on every worker.
    let workers = Workers::of(&envoy).await;
    let (ejecting, checking) = ("ejecting", "checking");
    let pinned = (200, "pinned");
    let [moves, stays] =
        [session_on(&envoy, ejecting, "app-1").await, session_on(&envoy, checking, "app-1").await];
    let endpoint = session_on(&envoy, "endpoints", "pod-1").await;
    for (service, cookie, pod) in
        [(ejecting, &moves, "app-1"), (checking, &stays, "app-1"), ("endpoints", &endpoint, "pod-1")]
    {
        for _ in 0..10 {
            for reply in workers.fetch(&format!("/{service}"), &[("cookie", cookie.as_bytes())]).await {
                assert_eq!(told(&reply), (200, "pinned".to_owned(), pod));
            }
        }
        envoy.wait_for_stat(&counter(service, "pinned"), |count| count == 20, SOON).await.unwrap();
    }

    // A backend that is down is ejected and fails its health checks. All workers learn of it.
    fleet.down(1);
    until_told(&workers, ejecting, &moves, (200, "repinned")).await;
    envoy.wait_for_log("service ejecting: backend app-1 ejected for 300 s", SOON).await.unwrap();
    envoy.wait_for_log("service checking: backend app-1 fails its health checks", SECOND * 20).await.unwrap();
    until_told(&workers, checking, &stays, (521, "rejected")).await;
    envoy.wait_for_stat(&counter(checking, "rejected"), |count| count >= 2, SOON).await.unwrap();
    fleet.up(1);
    envoy
        .wait_for_log("service checking: backend app-1 passes its health checks", SECOND * 20)
        .await
        .unwrap();
    until_told(&workers, checking, &stays, pinned).await;

    // A request that its client aborts is counted.
    let aborted = tokio::spawn(async move {
        Client::http1()
            .fetch(&url.replace("unserved", "endpoints/aborted"), &[("x-answer-after-ms", b"600000")])
            .await
    });
    let is_aborted =
        |pod: &Pod| pod.requests().iter().any(|request| request.uri.path() == "/endpoints/aborted");
    eventually("the request arrives", async || endpoints.iter().any(is_aborted)).await;
    let before = envoy.stat(&counter("endpoints", "assigned")).await.unwrap();
    aborted.abort();
    let counts = |count| count == before + 1;
    envoy.wait_for_stat(&counter("endpoints", "assigned"), counts, SOON).await.unwrap();

    // The filter follows the level of the logger.
    envoy.admin_post("/logging?wasm=debug").await.unwrap();
    let logged = async || {
        until_told(&workers, checking, &stays, pinned).await;
        envoy.log().contains("service checking: pinned to app-1")
    };
    eventually("requests are logged", logged).await;
    assert!(!envoy.log().contains("restricted proxy-wasm capability"), "a call that Envoy does not allow");
    assert_no_vm_failed(&envoy).await;
}

/// docs/envoy.md lists no capability that the module cannot use.
#[test]
fn each_documented_capability_is_a_function_that_the_module_imports_or_exports() {
    let module = fs::read(harness::module_path().unwrap()).unwrap();
    let module = wasmi::Module::new(&wasmi::Engine::default(), module).unwrap();
    let imports = module.imports().map(|import| import.name().to_owned());
    let functions: BTreeSet<_> =
        imports.chain(module.exports().map(|export| export.name().to_owned())).collect();
    let documented = documented();
    let capabilities =
        documented["capability_restriction_config"]["allowed_capabilities"].as_object().unwrap();
    let unknown: Vec<_> = capabilities.keys().filter(|name| !functions.contains(*name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(!capabilities.is_empty());
}
