//! A client that wants an endpoint other than Envoy's choice does not get it, neither with a token of another session
//! nor with the application's help.

use std::collections::BTreeSet;

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use harness::client::{Client, Reply};
use harness::config::{Bootstrap, stateful_session};
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};

use super::secrecy;
use crate::shipped_files::SECRET;
use crate::support::{Headers, outcome};

const OTHER_SECRET: &str = "NAanJhIhSejZr8NopGETXYLRPRfcIxzpwW3q0RTy5dI=";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    Cookie,
    Header,
    Envelope,
}

/// A route and the service that pins endpoints on it.
#[derive(Clone, Debug)]
struct Route {
    name: &'static str,
    carrier: Carrier,
    /// The name of the cookie or header.
    carrier_name: &'static str,
    with_cluster: bool,
}

impl Route {
    fn service(&self, suffix: &str) -> Value {
        let (kind, field) = match self.carrier {
            Carrier::Cookie => ("GENERATED_COOKIE", "cookie"),
            Carrier::Header => ("GENERATED_HEADER", "header"),
            Carrier::Envelope => ("HEADER_ENVELOPE", "header"),
        };
        let mut service = json!({
            "name": format!("{}{suffix}", self.name),
            "routes": [self.name],
            "sessionAffinity": { "affinityType": kind, field: { "name": self.carrier_name } },
            "pin": "ENDPOINT",
        });
        if self.with_cluster {
            service["pin"] = json!("CLUSTER_AND_ENDPOINT");
            service["backends"] = json!(["pods"]);
        }
        service
    }

    fn route(&self) -> Value {
        let to = if self.with_cluster { "cluster_header" } else { "cluster" };
        let cluster = if self.with_cluster { "x-affinity-cluster" } else { "pods" };
        json!({ "name": self.name, "match": { "prefix": format!("/{}", self.name) }, "route": { to: cluster } })
    }

    /// A request with this token. For an envelope, the application names the session.
    fn request(&self, token: Option<&str>) -> Headers {
        let mut headers = Vec::new();
        headers.extend(token.map(|token| match self.carrier {
            Carrier::Cookie => ("cookie", format!("{}={token}", self.carrier_name).into_bytes()),
            _ => (self.carrier_name, token.as_bytes().to_vec()),
        }));
        if self.carrier == Carrier::Envelope {
            headers.push(answer(&format!("{}: mine", self.carrier_name)));
        }
        headers
    }

    fn token(&self, reply: &Reply) -> Option<String> {
        match self.carrier {
            Carrier::Cookie => {
                Some(reply.cookie_pair(self.carrier_name)?.split_once('=').unwrap().1.to_owned())
            }
            _ => reply.header(self.carrier_name),
        }
    }
}

/// The header line that the application must send.
fn answer(line: &str) -> (&'static str, Vec<u8>) {
    ("x-answer-header", line.as_bytes().to_vec())
}

/// An Envoy with a route for each carrier, and one for endpoints within clusters.
struct Side {
    envoy: Envoy,
    routes: [Route; 4],
}

impl Side {
    /// `shift` rotates the carriers.
    async fn start(
        pods: &[Pod],
        secret: &str,
        suffix: &str,
        carrier_name: &'static str,
        shift: usize,
    ) -> Self {
        let carrier = |index: usize| {
            [Carrier::Cookie, Carrier::Header, Carrier::Envelope].into_iter().cycle().nth(index + shift)
        };
        let route = |name, index, carrier_name, with_cluster| Route {
            name,
            carrier: carrier(index).unwrap(),
            carrier_name,
            with_cluster,
        };
        let both = if carrier_name == "s" { "b" } else { "b-other" };
        let routes = [
            route("one", 0, carrier_name, false),
            route("two", 1, carrier_name, false),
            route("three", 2, carrier_name, false),
            route("both", 0, both, true),
        ];
        let services: Vec<_> = routes.iter().map(|route| route.service(suffix)).collect();
        let plugin = json!({
            "services": services,
            "keys": [{ "id": "k1", "secret": secret }],
            "debugHeader": "x-debug",
        });
        let addresses: Vec<_> = pods.iter().map(Pod::address).collect();
        let bootstrap = Bootstrap::new().cluster("pods", &addresses).filter(&plugin);
        let bootstrap = bootstrap.http_filter(stateful_session(false));
        let bootstrap = routes.iter().map(Route::route).fold(bootstrap, Bootstrap::route);
        Self { envoy: Envoy::start(&bootstrap.build()).await.unwrap(), routes }
    }

    async fn fetch(&self, route: &Route, headers: &Headers) -> Reply {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        let url = format!("{}/{}", self.envoy.url(), route.name);
        let reply = Client::http1_fresh().fetch(&url, &headers).await.unwrap();
        assert_eq!(reply.status, 200, "{route:?}");
        assert_eq!(reply.header("x-affinity-endpoint"), None, "{route:?}");
        reply
    }

    /// The token of a session on `secret-1`.
    async fn token_of(&self, route: &Route) -> String {
        for _ in 0..200 {
            let reply = self.fetch(route, &route.request(None)).await;
            if reply.pod == "secret-1" {
                return route.token(&reply).unwrap();
            }
        }
        panic!("200 sessions and none on secret-1");
    }
}

fn pods() -> Vec<Pod> {
    secrecy::pods(|name, at| Pod::obedient_at(name, at).unwrap())
}

/// Variations of this token.
fn forged(good: &str) -> Vec<String> {
    let mut forged = vec![good.replacen(&good[..8], &good[8..16], 1), good[..good.len() - 4].to_owned()];
    for place in [1, 10, 50, 80, good.len() - 5] {
        let mut bytes = good.to_owned().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        forged.push(String::from_utf8(bytes).unwrap());
    }
    forged
}

#[tokio::test]
async fn a_forged_or_foreign_token_reaches_no_chosen_endpoint_in_whichever_carrier() {
    let pods = pods();
    let (home, secret, service, name, carrier, other_carrier) = tokio::join!(
        Side::start(&pods, SECRET, "", "s", 0),
        Side::start(&pods, OTHER_SECRET, "", "s", 0),
        Side::start(&pods, SECRET, "-other", "s", 0),
        Side::start(&pods, SECRET, "", "s-other", 0),
        Side::start(&pods, SECRET, "", "s", 1),
        Side::start(&pods, SECRET, "", "s", 2),
    );
    let address = pods[1].address().to_string();
    for (index, route) in home.routes.iter().enumerate() {
        let good = home.token_of(route).await;
        let mut worthless = forged(&good);
        worthless.extend([
            address.clone(),
            Base64::encode_string(address.as_bytes()),
            Base64UrlUnpadded::encode_string(address.as_bytes()),
        ]);
        for foreign in [&secret, &service, &name, &carrier, &other_carrier] {
            worthless.push(foreign.token_of(&foreign.routes[index]).await);
        }
        for other in home.routes.iter().filter(|other| other.name != route.name) {
            worthless.push(home.token_of(other).await);
        }
        for token in worthless {
            let mut met = BTreeSet::new();
            for _ in 0..12 {
                let reply = home.fetch(route, &route.request(Some(&token))).await;
                assert_eq!(outcome(&reply), "invalid", "{route:?}: {token}");
                met.insert(reply.pod);
            }
            // All twelve on one of four pods by chance: once in four million runs.
            assert!(met.len() > 1, "{route:?}: {token}: {met:?}");
        }
        let reply = home.fetch(route, &route.request(Some(&good))).await;
        assert_eq!((&*reply.pod, &*outcome(&reply)), ("secret-1", "pinned"), "{route:?}");
    }
}

#[tokio::test]
async fn an_application_that_answers_with_an_endpoint_of_a_clients_choice_moves_no_session_there() {
    let pods = pods();
    let home = Side::start(&pods, SECRET, "", "s", 0).await;
    let line = |address: &str| {
        answer(&format!("x-affinity-endpoint: {}", Base64::encode_string(address.as_bytes())))
    };
    let mut wishes: Vec<Headers> = pods.iter().map(|pod| vec![line(&pod.address().to_string())]).collect();
    wishes.extend([
        vec![line(&pods[0].address().to_string()), line(&pods[1].address().to_string())],
        vec![line("10.9.9.9:80")],
        vec![answer(&format!("x-affinity-endpoint: {}", pods[0].address()))],
        vec![answer("x-affinity-endpoint: "), answer("x-affinity-endpoint: \u{ff}")],
    ]);
    for route in &home.routes {
        let begun = home.fetch(route, &route.request(None)).await;
        let token = route.token(&begun).unwrap();
        for wish in &wishes {
            // Not an existing session.
            for _ in 0..4 {
                let request = [route.request(Some(&token)), wish.clone()].concat();
                let reply = home.fetch(route, &request).await;
                assert_eq!((&reply.pod, &*outcome(&reply)), (&begun.pod, "pinned"), "{route:?}: {wish:?}");
                assert!(route.token(&reply).is_none_or(|told| told == token), "{route:?}: {wish:?}");
            }
            // Not a new session either.
            let new = home.fetch(route, &[route.request(None), wish.clone()].concat()).await;
            let again = home.fetch(route, &route.request(Some(&route.token(&new).unwrap()))).await;
            assert_eq!((&again.pod, &*outcome(&again)), (&new.pod, "pinned"), "{route:?}: {wish:?}");
        }
    }
}
