//! Clusters: one for each pod, or one for each service whose endpoints come by EDS.

use super::{Plan, endpoints, seconds, typed};
use crate::balancer::BackendService;
use crate::document::{Map, Yaml, row};
use crate::health::Health;
use crate::manifest::{AffinityType, AppProtocol};
use crate::options::Host;
use crate::pods::Pod;
use crate::report::Report;

pub(super) fn all(plan: &Plan<'_>, report: &mut Report) -> Vec<Map> {
    let services = plan.balancer.services.iter();
    let (mut clusters, what) = match &plan.options.eds {
        Some(directory) => {
            let directory = directory.display().to_string();
            let clusters: Vec<Map> = services.map(|service| eds_cluster(service, &directory)).collect();
            (clusters, "One cluster for each service.")
        }
        None => (pod_clusters(plan, report), "One cluster for each pod. Services may share them."),
    };
    let panic = "A request for a pod that is not healthy fails at once, and its session moves: by default Envoy would \
                 send it there all the same (\"panic\").";
    if let Some(first) = clusters.first_mut() {
        *first = Map::new().comment(&format!("{what} {panic}")).and(first.clone());
    }
    clusters
}

fn pod_clusters(plan: &Plan<'_>, report: &mut Report) -> Vec<Map> {
    let services = plan.balancer.services.iter();
    let mut clusters: Vec<(&Pod, Map)> = Vec::new();
    for (service, pod) in services.flat_map(|service| service.pods.iter().map(move |pod| (service, pod))) {
        let cluster = pod_cluster(service, pod);
        match clusters.iter().find(|(other, _)| other.cluster == pod.cluster || same_address(other, pod)) {
            Some((_, other)) if *other == cluster => {}
            Some((other, _)) if other.cluster == pod.cluster => {
                let text = format!(
                    "cluster {} would have to be two things at once: the Services that lead to it differ in protocol, \
                     health check or address",
                    pod.cluster
                );
                report.error(&service.place, text);
            }
            Some((other, _)) => {
                let text = format!(
                    "{} and {} would be at one address, {}:{}: give addresses without ports, where a Service's ports \
                     lead to different ones",
                    other.cluster, pod.cluster, pod.host, pod.port
                );
                report.error(&service.place, text);
            }
            None => clusters.push((pod, cluster)),
        }
    }
    clusters.into_iter().map(|(_, cluster)| cluster).collect()
}

fn same_address(one: &Pod, other: &Pod) -> bool {
    (&one.host, one.port) == (&other.host, other.port)
}

fn pod_cluster(service: &BackendService, pod: &Pod) -> Map {
    let address = Map::new().with("address", pod.host.to_string()).with("port_value", pod.port).inline();
    let address = Map::new().with("socket_address", address).inline();
    let other_port = service.health.port.map(|port| Map::new().with("port_value", port).inline());
    let endpoint = Map::new().with("address", address).with_some("health_check_config", other_port).inline();
    let endpoints = vec![Map::new().with("lb_endpoints", vec![Map::new().with("endpoint", endpoint)])];
    let assignment = Map::new().with("cluster_name", &*pod.cluster).with("endpoints", endpoints);
    let cluster = Map::new().with("name", &*pod.cluster);
    let cluster = match pod.host {
        Host::Ip(_) => cluster.with("type", "STATIC"),
        Host::Name(_) => cluster.with("type", "STRICT_DNS").with("dns_lookup_family", "V4_PREFERRED"),
    };
    let health = service.health.is_special().then(|| vec![health_check(&service.health, service.protocol)]);
    common(cluster, service).with_some("health_checks", health).with("load_assignment", assignment)
}

fn eds_cluster(service: &BackendService, directory: &str) -> Map {
    let path = endpoints::path(std::path::Path::new(directory), service).display().to_string();
    let source = Map::new()
        .with("path", path)
        .comment("Renames anywhere in this directory make Envoy look at the file again.")
        .with("watched_directory", Map::new().with("path", directory).inline());
    let source = Map::new().with("path_config_source", source).with("resource_api_version", "V3");
    let policy = match service.affinity_type {
        AffinityType::None => "RANDOM",
        AffinityType::ClientIp => "MAGLEV",
        AffinityType::GeneratedCookie => "LEAST_REQUEST",
    };
    let cluster = Map::new()
        .with("name", &*service.name)
        .with("type", "EDS")
        .with("eds_cluster_config", Map::new().with("eds_config", source))
        .with("lb_policy", policy);
    common(cluster, service)
        .comment(
            "A pod that the file no longer lists is gone. By default Envoy goes on using it for as long as its health \
             checks pass.",
        )
        .with("ignore_health_on_host_removal", true)
        .with("health_checks", vec![health_check(&service.health, service.protocol)])
        .comment("Three requests in a row that could not connect or got no answer: the pod is out for 30 seconds.")
        .with("outlier_detection", outlier_detection())
}

fn outlier_detection() -> Map {
    Map::new()
        .with("split_external_local_origin_errors", true)
        .with("consecutive_local_origin_failure", 3_u32)
        .with("enforcing_consecutive_5xx", 0_u32)
        .with("enforcing_consecutive_gateway_failure", 0_u32)
        .with("enforcing_success_rate", 0_u32)
        .with("enforcing_local_origin_success_rate", 0_u32)
        .with("base_ejection_time", "30s")
        .with("max_ejection_percent", 50_u32)
}

/// What all clusters have.
fn common(cluster: Map, service: &BackendService) -> Map {
    // WebSockets hold a connection and a request each; Envoy allows 1024 of them, GKE sets no limit.
    let limits = Map::new()
        .with("max_connections", 65_536_u32)
        .with("max_pending_requests", 65_536_u32)
        .with("max_requests", 65_536_u32)
        .with("max_retries", 1024_u32);
    let has_eds = cluster.has("eds_cluster_config");
    let kept = has_eds.then(|| row(["UNKNOWN", "HEALTHY", "DEGRADED", "DRAINING"]));
    let panic = Map::new()
        .with("healthy_panic_threshold", Map::new().with("value", 0_u32).inline())
        .with_some("update_merge_window", has_eds.then_some("0s"))
        .with_some(
            "override_host_status",
            kept.map(|statuses| Map::new().with("statuses", statuses).inline()),
        );
    let cluster = cluster
        .with("connect_timeout", "1s")
        .with("common_lb_config", panic.inline())
        .with("circuit_breakers", Map::new().with("thresholds", Yaml::Row(vec![limits.inline()])));
    secured(cluster, service.protocol)
}

/// As Google Cloud does it: encrypted, but without a look at the pod's certificate.
fn secured(cluster: Map, protocol: AppProtocol) -> Map {
    if protocol == AppProtocol::Http {
        return cluster;
    }
    let tls = typed("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext");
    if protocol == AppProtocol::Https {
        return cluster.with("transport_socket", super::extension("envoy.transport_sockets.tls", tls));
    }
    let alpn = Map::new().with("alpn_protocols", row(["h2"]));
    let tls = tls.with("common_tls_context", alpn.inline());
    let http2 = Map::new().with("http2_protocol_options", Map::new().inline());
    let options =
        typed("envoy.extensions.upstreams.http.v3.HttpProtocolOptions").with("explicit_http_config", http2);
    cluster.with("transport_socket", super::extension("envoy.transport_sockets.tls", tls)).with(
        "typed_extension_protocol_options",
        Map::new().with("envoy.extensions.upstreams.http.v3.HttpProtocolOptions", options),
    )
}

/// Envoy's own health check.
fn health_check(health: &Health, protocol: AppProtocol) -> Map {
    let codec = (protocol == AppProtocol::Http2).then_some("HTTP2");
    let http = Map::new()
        .with("path", &*health.path)
        .with_some("host", health.host.as_deref())
        .with_some("codec_client_type", codec);
    Map::new()
        .with("http_health_check", http.inline())
        .with("interval", seconds(health.interval))
        .with("no_traffic_interval", seconds(health.interval))
        .with("timeout", seconds(health.timeout))
        .with("healthy_threshold", health.healthy_threshold)
        .with("unhealthy_threshold", health.unhealthy_threshold)
}
