//! Parts of the manifests of a Gateway.

use super::{all, service, stateful_set};

/// A Gateway `main` with these listeners.
pub fn gateway(listeners: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: main
spec:
  gatewayClassName: gke-l7-global-external-managed
  listeners: {listeners}
"
    )
}

/// A Gateway `main` with one listener for HTTP.
pub fn plain_gateway() -> String {
    gateway("[{name: http, protocol: HTTP, port: 80}]")
}

/// An `HTTPRoute` of the Gateway `main`, with these hosts and rules.
pub fn route(name: &str, hosts: &str, rules: &[&str]) -> String {
    let rules = rules.join(", ");
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: {name}
spec:
  parentRefs: [{{name: main}}]
  hostnames: {hosts}
  rules: [{rules}]
"
    )
}

/// A policy of this kind for a Service.
pub fn policy(kind: &str, service: &str, settings: &str) -> String {
    format!(
        "apiVersion: networking.gke.io/v1
kind: {kind}
metadata:
  name: {service}
spec:
  targetRef: {{group: \"\", kind: Service, name: {service}}}
  default: {settings}
"
    )
}

fn backends(names: &[&str]) -> Vec<String> {
    names.iter().flat_map(|name| [stateful_set(name, 1), service(name)]).collect()
}

/// A StatefulSet and a Service for each name, and other documents.
pub fn manifests(names: &[&str], others: &[String]) -> String {
    all(&[&*backends(names), others].concat())
}

/// The `backendRefs` of a rule with one Service.
pub fn to(service: &str) -> String {
    format!("backendRefs: [{{name: {service}, port: 80}}]")
}

/// A rule with these matches and other fields.
pub fn rule(matches: &str, rest: &str) -> String {
    format!("{{matches: [{matches}], {rest}}}")
}
