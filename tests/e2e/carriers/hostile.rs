//! Hostile bytes in headers and cookies that are not the filter's own, and with endpoint pins.

mod requests;
mod responses;

use std::net::SocketAddr;

use harness::client::Reply;
use harness::config::{Bootstrap, cluster, stateful_session};
use harness::envoy::Envoy;
use serde_json::{Value, json};

use crate::endpoints::fleet::keys;
use crate::hostile_bytes::values;
use crate::workers::{Workers, assert_no_vm_failed};

/// A service on the route of the same name.
struct Served {
    name: &'static str,
    affinity_type: &'static str,
    /// The name of the header or cookie.
    carrier: &'static str,
    /// What the service pins; if nothing, the service hashes the key.
    pin: &'static str,
}

const fn served(
    name: &'static str,
    affinity_type: &'static str,
    carrier: &'static str,
    pin: &'static str,
) -> Served {
    Served { name, affinity_type, carrier, pin }
}

const SERVICES: [Served; 13] = [
    served("http-cookie", "HTTP_COOKIE", "s", ""),
    served("header-field", "HEADER_FIELD", "s", ""),
    served("header", "GENERATED_HEADER", "s", "CLUSTER"),
    served("envelope", "HEADER_ENVELOPE", "s", "CLUSTER"),
    served("cookie-endpoint", "GENERATED_COOKIE", "t", "ENDPOINT"),
    served("header-endpoint", "GENERATED_HEADER", "s", "ENDPOINT"),
    served("envelope-endpoint", "HEADER_ENVELOPE", "s", "ENDPOINT"),
    served("own-cookie", "COOKIE_ENVELOPE", "v", "CLUSTER"),
    served("own-cookie-endpoint", "COOKIE_ENVELOPE", "w", "ENDPOINT"),
    served("own-cookie-both", "COOKIE_ENVELOPE", "x", "CLUSTER_AND_ENDPOINT"),
    served("cookie-both", "GENERATED_COOKIE", "u", "CLUSTER_AND_ENDPOINT"),
    served("header-both", "GENERATED_HEADER", "s", "CLUSTER_AND_ENDPOINT"),
    served("envelope-both", "HEADER_ENVELOPE", "s", "CLUSTER_AND_ENDPOINT"),
];

impl Served {
    /// The services that work with keys, which are all, or without keys.
    fn all(with_keys: bool) -> impl Iterator<Item = &'static Self> {
        SERVICES.iter().filter(move |service| with_keys || !service.pin.contains("ENDPOINT"))
    }

    fn is_in_a_cookie(&self) -> bool {
        self.affinity_type.contains("COOKIE")
    }

    fn is_envelope(&self) -> bool {
        self.affinity_type == "HEADER_ENVELOPE"
    }

    fn configuration(&self) -> Value {
        let mut affinity = json!({ "affinityType": self.affinity_type });
        affinity[if self.is_in_a_cookie() { "cookie" } else { "header" }] = json!({ "name": self.carrier });
        if self.affinity_type == "HTTP_COOKIE" {
            affinity["affinityCookieTtlSec"] = json!(50);
        }
        let mut service = json!({ "name": self.name, "routes": [self.name], "sessionAffinity": affinity });
        if !self.pin.is_empty() {
            service["pin"] = json!(self.pin);
        }
        if self.pin != "ENDPOINT" {
            service["backends"] = json!(["a", "b"]);
        }
        service
    }

    fn route(&self) -> Value {
        let to = if self.pin == "ENDPOINT" {
            json!({ "cluster": "a" })
        } else {
            json!({ "cluster_header": "x-affinity-cluster" })
        };
        json!({ "name": self.name, "match": { "prefix": format!("/{}/", self.name) }, "route": to })
    }
}

/// An Envoy in front of a pod, with far higher header limits than the default. The path `/` needs no pod.
async fn start(pod: SocketAddr, with_keys: bool) -> Envoy {
    let services = Served::all(with_keys).map(Served::configuration).collect::<Vec<_>>();
    let mut plugin = json!({ "debugHeader": "x-debug", "services": services });
    let patient = |name: &str| {
        let mut cluster = cluster(name, &[pod]);
        cluster["typed_extension_protocol_options"] = json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http_protocol_options": {} },
            "common_http_protocol_options": { "max_headers_count": 20000, "max_response_headers_kb": 8192 },
        } });
        cluster
    };
    let mut bootstrap = Bootstrap::new().cluster_json(patient("a")).cluster_json(patient("b"));
    if with_keys {
        // Endpoint pins need keys. Without keys, no filter would remove what `stateful_session` sends to clients.
        plugin["keys"] = keys();
        bootstrap = bootstrap.http_filter(stateful_session(false));
    }
    let bootstrap = Served::all(with_keys).map(Served::route).fold(bootstrap, Bootstrap::route);
    let other = json!({ "match": { "path": "/" }, "direct_response": { "status": 200 } });
    let config = bootstrap.route(other).filter(&plugin).hcm(|manager| {
        manager["delayed_close_timeout"] = json!("0s");
        manager["max_request_headers_kb"] = json!(8192);
        manager["common_http_protocol_options"] = json!({ "max_headers_count": 20000 });
    });
    Envoy::start(&config.build()).await.unwrap()
}

/// The token or generated cookie in the head of a response.
fn token(service: &Served, answer: &[u8]) -> Option<Vec<u8>> {
    if service.is_in_a_cookie() {
        let start = format!("{}=", service.carrier);
        let lines = values(answer, "set-cookie").into_iter();
        let mut values = lines.filter_map(|line| line.strip_prefix(start.as_bytes()));
        return values.next()?.split(|byte| *byte == b';').next().map(<[u8]>::to_vec);
    }
    values(answer, service.carrier).first().map(|value| value.to_vec())
}

/// If `stateful_session` is present, this filter removes its headers: no client may see an address.
fn assert_tells_no_endpoint(answer: &[u8], what: &str) {
    assert_eq!(values(answer, "x-affinity-endpoint"), [b""; 0], "{what}");
}

/// Every route serves on every worker, reveals no endpoint, and none of its VMs failed.
async fn assert_unharmed(envoy: &Envoy, workers: &Workers, with_keys: bool) {
    for service in Served::all(with_keys) {
        for reply in workers.fetch(&format!("/{}/", service.name), &[]).await {
            assert_eq!(reply.status, 200, "{}", service.name);
            assert!(tells_no_endpoint(&reply), "{}: {reply:?}", service.name);
        }
    }
    assert_no_vm_failed(envoy).await;
}

fn tells_no_endpoint(reply: &Reply) -> bool {
    !reply.headers.contains_key("x-affinity-endpoint")
}

/// A response and the beginning of its request, readable in a test failure.
fn shown(service: &Served, sent: &[u8], answer: &[u8]) -> String {
    let short = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
    format!("{}: {:?}: {:?}", service.name, short(sent), short(answer))
}
