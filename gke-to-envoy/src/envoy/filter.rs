//! The filter, and those around it.

use super::{ENDPOINT_HEADER, Plan, extension, filter_header_removals, typed};
use crate::balancer::BackendService;
use crate::document::{Map, Yaml, row};
use crate::health::Health;

pub(super) fn filters(plan: &Plan<'_>) -> Vec<Map> {
    let mut filters = Vec::new();
    if plan.pins_any_endpoints() {
        filters.push(hides_endpoints());
    }
    if plan.balancer.services.len() > 1 {
        filters.push(chooses_route());
    }
    filters.push(session_affinity(plan));
    if plan.pins_any_endpoints() {
        filters.push(stateful_session());
    }
    filters.push(extension(
        "envoy.filters.http.router",
        typed("envoy.extensions.filters.http.router.v3.Router"),
    ));
    filters
}

fn session_affinity(plan: &Plan<'_>) -> Map {
    let backoff = Map::new().with("backoff", Map::new().with("base_interval", "0.05s").inline());
    let code = Map::new().with("local", Map::new().with("filename", &*plan.options.module).inline());
    let mut vm = Map::new()
        .comment("Filters with the same vm_id share what they know about backends.")
        .with("vm_id", "session-affinity")
        .with("runtime", "envoy.wasm.runtime.v8")
        .with("code", code.inline());
    if let Some(variable) = plan.key_env() {
        let variables = Map::new().with("host_env_keys", row([variable]));
        vm = vm
            .comment("The variables of Envoy's own environment that the filter may read.")
            .with("environment_variables", variables);
    }
    let configuration = typed("google.protobuf.Struct").with("value", configuration(plan));
    let config = Map::new()
        .with("name", "session_affinity")
        .comment("Should the VM ever fail, load it again, and refuse requests until it is back.")
        .with("failure_policy", "FAIL_RELOAD")
        .with("reload_config", backoff.inline())
        .with("vm_config", vm)
        .with("configuration", configuration);
    extension("session_affinity", typed("envoy.extensions.filters.http.wasm.v3.Wasm").with("config", config))
}

fn configuration(plan: &Plan<'_>) -> Map {
    let services: Vec<Map> =
        plan.balancer.services.iter().map(|service| filter_service(plan, service)).collect();
    let configuration = Map::new().with("services", services);
    let Some(variable) = plan.key_env() else { return configuration };
    let key = Map::new().with("id", "k1").with("env", variable);
    configuration.with("keys", Yaml::List(vec![key.inline()]))
}

fn filter_service(plan: &Plan<'_>, service: &BackendService) -> Map {
    let cookie = service.cookie.as_ref().filter(|cookie| *cookie != "GCLB");
    let cookie = cookie.map(|cookie| Map::new().with("name", &**cookie).inline());
    let affinity = Map::new()
        .with("affinityType", service.affinity_type.name())
        .with_some("affinityCookieTtlSec", service.cookie_ttl_sec)
        .with_some("cookie", cookie);
    let named = Map::new()
        .with("name", &*service.name)
        .with("routes", row([&service.name]))
        .with("sessionAffinity", affinity);
    if plan.pins_endpoints(service) {
        return named.with("pin", "ENDPOINT");
    }
    if plan.options.eds.is_some() {
        // One cluster: Envoy itself picks an endpoint of it, and knows which of them are well.
        let off = Map::new().with("consecutiveLocalOriginFailure", 0_u32).inline();
        return named.with("backends", row([&service.name])).with("outlierDetection", off);
    }
    let backends = row(service.pods.iter().map(|pod| &pod.cluster));
    let named = named.with("backends", backends);
    if service.health.is_special() { named } else { named.with("healthCheck", health_check(&service.health)) }
}

fn health_check(health: &Health) -> Yaml {
    Map::new()
        .with("requestPath", &*health.path)
        .with("checkIntervalSec", health.interval)
        .with("timeoutSec", health.timeout)
        .with("healthyThreshold", health.healthy_threshold)
        .with("unhealthyThreshold", health.unhealthy_threshold)
        .inline()
}

fn hides_endpoints() -> Map {
    let mutations = Map::new().with("response_mutations", vec![Map::new().with("remove", ENDPOINT_HEADER)]);
    let config =
        typed("envoy.extensions.filters.http.header_mutation.v3.HeaderMutation").with("mutations", mutations);
    Map::new()
        .comment("First of all, so last on the way out: what stateful_session says of endpoints reaches no client.")
        .with("name", "envoy.filters.http.header_mutation")
        .with("typed_config", config)
}

/// A filter that has Envoy choose the route where an earlier filter had the route cache cleared.
fn chooses_route() -> Map {
    let config = typed("envoy.extensions.filters.http.header_mutation.v3.HeaderMutation")
        .with("mutations", Map::new().with("request_mutations", filter_header_removals()));
    Map::new()
        .comment(
            "Directly before the filter: it has Envoy choose the route again where an earlier filter (ext_authz, \
             jwt_authn, Lua) had the route cache cleared. The filter would otherwise serve by the old route. What an \
             earlier filter says in the filter's headers is dropped.",
        )
        .with("name", "envoy.filters.http.header_mutation/route")
        .with("typed_config", config)
}

fn stateful_session() -> Map {
    let state = typed("envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState")
        .with("name", ENDPOINT_HEADER);
    let config = typed("envoy.extensions.filters.http.stateful_session.v3.StatefulSession")
        .with("session_state", extension("envoy.http.stateful_session.header", state));
    Map::new()
        .comment(
            "Envoy's own filter, after ours: it tells ours which endpoint has answered, and takes from it the endpoint \
             that a session wants.",
        )
        .with("name", "envoy.filters.http.stateful_session")
        .with("typed_config", config)
}
