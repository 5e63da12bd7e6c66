//! Several services in one configuration.

use harness::client::{Client, Reply};
use harness::config::Bootstrap;
use harness::envoy::Envoy;
use harness::pod::{Pod, RefusingAddress};
use serde_json::{Value, json};

use super::fleet::{SECOND, told};
use crate::workers::Workers;

/// A service, and the route of the same name for the paths below that name.
fn service(name: &str) -> (Value, Value) {
    let service = json!({
        "name": name,
        "routes": [name],
        "sessionAffinity": { "affinityType": "GENERATED_COOKIE", "cookie": { "name": name } },
        "backends": [name, format!("{name}-canary")],
    });
    let route = json!({
        "name": name,
        "match": { "prefix": format!("/{name}") },
        "route": { "cluster_header": "x-affinity-cluster" },
    });
    (service, route)
}

/// Begins sessions of the service until one is on the backend of this name.
async fn session(client: &Client, envoy: &Envoy, name: &str) -> String {
    for _ in 0..500 {
        let reply = client.fetch(&format!("{}/{name}", envoy.url()), &[]).await.unwrap();
        if reply.pod == name {
            return reply.cookie_pair(name).unwrap().to_owned();
        }
    }
    panic!("none of 500 sessions began on {name}");
}

/// The backend and its service share the name `web`. The ejection of the backend `web` must not affect the backend and
/// service `api`.
#[tokio::test]
async fn a_backend_named_like_its_service_dies_alone() {
    let address = RefusingAddress::new().unwrap();
    let web = Pod::start_at("web", address.address()).unwrap();
    let others = ["web-canary", "api", "api-canary"].map(|name| Pod::start(name).unwrap());
    let [(web_service, web_route), (api_service, api_route)] = ["web", "api"].map(service);
    let plugin = json!({ "services": [web_service, api_service], "debugHeader": "x-debug" });
    let bootstrap = others.iter().fold(
        Bootstrap::new().cluster("web", &[address.address()]).route(web_route).route(api_route),
        |bootstrap, pod| bootstrap.cluster(pod.name(), &[pod.address()]),
    );
    let envoy = Envoy::start(&bootstrap.filter(&plugin).build()).await.unwrap();
    let client = Client::http1();
    let [of_web, of_api] = [session(&client, &envoy, "web").await, session(&client, &envoy, "api").await];
    let workers = Workers::of(&envoy).await;
    web.stop();
    let web_headers = [("cookie", of_web.as_bytes())];
    for _ in 0..3 {
        assert_eq!(workers.fetch_from(0, "/web", &web_headers).await.status, 503);
    }
    envoy.wait_for_log("service web: backend web ejected for 30 s", SECOND * 5).await.unwrap();
    tokio::time::sleep(SECOND).await;
    for worker in 0..2 {
        let moved: Reply = workers.fetch_from(worker, "/web", &web_headers).await;
        assert_eq!(told(&moved), (200, "repinned".to_owned(), "web-canary"));
        let stays = workers.fetch_from(worker, "/api", &[("cookie", of_api.as_bytes())]).await;
        assert_eq!(told(&stays), (200, "pinned".to_owned(), "api"));
        assert!(stays.set_cookies.is_empty());
    }
    assert!(!envoy.log().contains("service api: backend"));
}
