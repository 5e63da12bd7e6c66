//! The listener: one HTTP connection manager.

use super::routes::SILENCE_SEC;
use super::{
    CLUSTER_HEADER, ENDPOINT_HEADER, Plan, extension, filter, filter_header_removals, routes, seconds,
    socket_address, typed,
};
use crate::balancer::BackendService;
use crate::document::{Map, Yaml, row};
use crate::manifest::Logging;

pub(super) fn listener(plan: &Plan<'_>) -> Map {
    let manager = extension("envoy.filters.network.http_connection_manager", manager(plan));
    Map::new()
        .with("name", "ingress")
        .with("address", socket_address(plan.options.listen))
        .with("filter_chains", vec![Map::new().with("filters", vec![manager])])
}

fn manager(plan: &Plan<'_>) -> Map {
    let early = typed("envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation")
        .with("mutations", filter_header_removals());
    let logs: Vec<Map> = plan.balancer.services.iter().filter_map(access_log).collect();
    let manager = typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    )
    .with("stat_prefix", "ingress")
    .comment(
        "Clients connect to this Envoy directly: their address is that of the connection, and an X-Forwarded-For of \
         theirs is not believed. Behind another proxy, set xff_num_trusted_hops to the number of addresses that it \
         adds: mostly 1, for Google Cloud's external load balancers 2.",
    )
    .with("use_remote_address", true)
    .comment("Routes and cookie paths are compared with the path as the pods will understand it.")
    .with("normalize_path", true)
    .comment(
        "Only the filter may say where a request goes: what clients send in its headers is dropped first of all, also \
         for routes that switch the filter off.",
    )
    .with(
        "early_header_mutation_extensions",
        vec![extension("envoy.http.early_header_mutation.header_mutation", early)],
    )
    .comment("A request or a WebSocket on which nothing is sent for this long ends.")
    .with("stream_idle_timeout", seconds(SILENCE_SEC))
    .with("upgrade_configs", vec![Map::new().with("upgrade_type", "websocket")]);
    let manager = if logs.is_empty() { manager } else { manager.with("access_log", logs) };
    manager.with("route_config", route_config(plan)).with("http_filters", filter::filters(plan))
}

fn route_config(plan: &Plan<'_>) -> Map {
    let headers = || row([CLUSTER_HEADER, ENDPOINT_HEADER]);
    Map::new()
        .with("name", "ingress")
        .comment("A host with a port, such as example.com:10000, is that host.")
        .with("ignore_port_in_host_matching", true)
        .comment(
            "The headers are for Envoy alone. Envoy removes the request's after it has read them, so pods do not see \
             them.",
        )
        .with("request_headers_to_remove", headers())
        .with("response_headers_to_remove", headers())
        .comment(
            "As a GKE Ingress does it: the most exact host counts, and within it the longest path. The filter knows \
             routes by their names and writes the cluster's name into the header. A timeout of 0s is no limit: an answer \
             may be a stream.",
        )
        .with("virtual_hosts", routes::virtual_hosts(plan))
}

/// A log of the requests of one service, or of a share of them.
fn access_log(service: &BackendService) -> Option<Map> {
    let Logging { sample_rate } = service.logging?;
    let expression = format!("xds.route_name == '{}'", service.name);
    let is_its = typed("envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter")
        .with("expression", expression);
    let is_its =
        Map::new().with("extension_filter", extension("envoy.access_loggers.extension_filters.cel", is_its));
    let filter = if sample_rate < 1.0 {
        let sampled = Map::new()
            .with("runtime_key", format!("access_log.{}", service.name))
            .with("percent_sampled", millionths(sample_rate));
        let sampled = Map::new().with("runtime_filter", sampled);
        Map::new().with("and_filter", Map::new().with("filters", vec![is_its, sampled]))
    } else {
        is_its
    };
    Some(
        Map::new()
            .comment(&format!("`logging` of {}.", service.name))
            .with("name", "envoy.access_loggers.stdout")
            .with("filter", filter)
            .with("typed_config", typed("envoy.extensions.access_loggers.stream.v3.StdoutAccessLog")),
    )
}

fn millionths(share: f64) -> Yaml {
    // From 0 to 1: the product fits, and its sign is right.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let numerator = (share * 1_000_000.0).round() as u32;
    Map::new().with("numerator", numerator).with("denominator", "MILLION").inline()
}
