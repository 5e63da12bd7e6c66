//! What stands above a configuration: where it comes from, and where requests go.

use super::Plan;
use crate::balancer::BackendService;
use crate::manifest::AffinityType;
use crate::url_map;

pub(super) fn lines(plan: &Plan<'_>) -> Vec<String> {
    let files: Vec<_> = plan.options.files.iter().map(|file| file.display().to_string()).collect();
    let mut lines = vec![
        format!(
            "The GKE Ingress {} as an Envoy configuration, made by gke-to-envoy from {}.",
            plan.balancer.name,
            files.join(", ")
        ),
        String::new(),
    ];
    lines.extend(table(&rows(plan)));
    lines.push(String::new());
    let services = plan.balancer.services.iter();
    lines.extend(table(&services.map(|service| affinity(plan, service)).collect::<Vec<_>>()));
    lines.push(String::new());
    match plan.key_env() {
        Some(variable) => lines.extend([
            "  openssl rand -base64 32 > key".to_owned(),
            format!("  {variable}=$(cat key) envoy -c envoy.yaml"),
        ]),
        None => lines.push("  envoy -c envoy.yaml".to_owned()),
    }
    lines.push(format!("  curl -i http://localhost:{}/", plan.options.listen.port()));
    if plan.key_env().is_none() && plan.balancer.services.iter().any(|service| service.cookie.is_some()) {
        lines.extend([
            String::new(),
            "Without keys nothing authenticates the cookies: a client can make one up and so choose its pod. With \
             --key-env SESSION_AFFINITY_KEY they are encrypted and authenticated."
                .to_owned(),
        ]);
    }
    lines
}

/// Hosts and paths, and the services they lead to.
fn rows(plan: &Plan<'_>) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    for host in &plan.balancer.hosts {
        let mut paths = host.paths.clone();
        url_map::sort(&mut paths);
        let host = if host.name == "*" { "any other host " } else { &host.name };
        rows.extend(paths.iter().map(|path| (format!("{host}{path}"), path.target.clone())));
    }
    let default = plan.balancer.default.clone().unwrap_or_else(|| "404".to_owned());
    let what = if rows.is_empty() { "every request" } else { "anything else" };
    rows.push((what.to_owned(), default));
    rows
}

fn table(rows: &[(String, String)]) -> Vec<String> {
    let width = rows.iter().map(|(what, _)| what.chars().count()).max().unwrap_or_default();
    rows.iter().map(|(what, service)| format!("  {what:width$}   {service}")).collect()
}

/// A service, what ties requests to its pods, and where those are.
fn affinity(plan: &Plan<'_>, service: &BackendService) -> (String, String) {
    let life = match service.cookie_ttl_sec {
        Some(seconds) if seconds > 0 => format!("{seconds} seconds"),
        _ => "until the browser closes".to_owned(),
    };
    let affinity = match (service.affinity_type, &service.cookie) {
        (AffinityType::GeneratedCookie, Some(cookie)) => format!("cookie {cookie}, {life}"),
        (affinity_type, _) => affinity_type.name().to_owned(),
    };
    let pods: Vec<&str> = service.pods.iter().map(|pod| &*pod.cluster).collect();
    let pods = match &plan.options.eds {
        Some(directory) => super::endpoints::path(directory, service).display().to_string(),
        None => pods.join(", "),
    };
    (service.name.clone(), format!("{affinity}   {pods}"))
}
