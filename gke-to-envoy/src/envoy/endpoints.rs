//! Files of endpoints, which Envoy reads and follows.

use std::path::{Path, PathBuf};

use super::{EndpointFile, Plan, text, typed};
use crate::balancer::BackendService;
use crate::document::{self, Map};
use crate::options::Host;
use crate::report::{Place, Report};

/// Where a service's endpoints are.
pub(super) fn path(directory: &Path, service: &BackendService) -> PathBuf {
    directory.join(format!("{}.yaml", service.name))
}

pub(super) fn files(plan: &Plan<'_>, report: &mut Report) -> Vec<EndpointFile> {
    let Some(directory) = &plan.options.eds else { return Vec::new() };
    let services = plan.balancer.services.iter();
    let files = services.map(|service| EndpointFile {
        path: path(directory, service),
        contents: contents(service, report),
        replaces: !service.pods.is_empty(),
    });
    files.collect()
}

fn contents(service: &BackendService, report: &mut Report) -> String {
    let mut endpoints = Vec::new();
    for pod in &service.pods {
        if let Host::Name(name) = &pod.host {
            let allowed = "an IP: EDS knows no names";
            report.mistake(&Place::argument("--endpoints"), "no address of an endpoint", allowed, name);
        }
        let address = Map::new().with("address", pod.host.to_string()).with("port_value", pod.port).inline();
        let address = Map::new().with("socket_address", address).inline();
        let other_port = service.health.port.map(|port| Map::new().with("port_value", port).inline());
        let endpoint =
            Map::new().with("address", address).with_some("health_check_config", other_port).inline();
        endpoints.push(Map::new().with("endpoint", endpoint));
    }
    let listed =
        if endpoints.is_empty() { Vec::new() } else { vec![Map::new().with("lb_endpoints", endpoints)] };
    let assignment = typed("envoy.config.endpoint.v3.ClusterLoadAssignment")
        .with("cluster_name", &*service.name)
        .with("endpoints", listed);
    let document = Map::new().with("version_info", "1").with("resources", vec![assignment]);
    let heading = document::heading(&[
        format!(
            "The endpoints of {}. Replace this file by renaming a new one over it, with another version_info.",
            service.name
        ),
        String::new(),
        "  endpoints:".to_owned(),
        "  - lb_endpoints:".to_owned(),
        "    - endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 8080}}}".to_owned(),
        "      health_status: DRAINING     # where it is about to go: no new sessions; it keeps those it has"
            .to_owned(),
    ]);
    format!("{heading}\n{}", text(&document, report))
}
