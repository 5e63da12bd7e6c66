//! How requests are sent to a Service, according to a BackendConfig or the policies of a Gateway.

use serde_saphyr::Spanned;

use super::backends::where_to_find;
use super::headers::{self, HeaderOption};
use super::health::Health;
use super::manifests::backend_config::{AffinityType, BackendConfigSpec, ConnectionDraining, HealthCheck};
use super::manifests::fields::{Flag, Int, Share};
use super::manifests::gateway_policy::{BackendPolicy, GatewayAffinityType, PolicySpec};
use super::manifests::service::AppProtocol;
use super::manifests::{BackendConfig, GcpBackendPolicy, HealthCheckPolicy, Manifest, Manifests, Service};
use super::remarks::Remarks;

/// GKE's limit for the TTL in a BackendConfig, in seconds.
const DAY: u32 = 86_400;

const IAP: &str = "Envoy does not support IAP, so users are not authenticated";
const CDN: &str = "nothing is cached: Cloud CDN is not supported";
const ARMOR: &str =
    "Envoy does not support Cloud Armor rules, so requests that these rules blocked are allowed";
const DRAINING: &str = "Envoy has no such limit: requests to a removed pod continue until they end";
const RATE: &str = "backends are picked by weight, not by rate";

/// How requests are sent to a Service.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Policy {
    pub affinity_type: AffinityType,
    /// Only with `GENERATED_COOKIE`.
    pub cookie_ttl_sec: Option<u32>,
    /// The timeout, if one is set. GKE's default of 30 s is not used, because it would end long streams.
    pub timeout_sec: Option<u32>,
    pub request_headers: Vec<HeaderOption>,
    pub response_headers: Vec<HeaderOption>,
    /// The share of logged requests in millionths, if logging is on.
    pub logged_millionths: Option<u32>,
}

impl Policy {
    /// The settings of a BackendConfig. Reports unsupported settings.
    pub fn of_backend_config(config: &BackendConfig, remarks: &mut Remarks) -> Self {
        let BackendConfigSpec { iap, cdn, security_policy, connection_draining, .. } = &config.spec;
        for (switch, why) in [(iap, IAP), (cdn, CDN)] {
            report_switch(config, switch.as_ref().map(|switch| &switch.enabled), why, remarks);
        }
        report_armor(config, security_policy.as_ref().map(|policy| &policy.name), remarks);
        report_draining(config, connection_draining.as_ref(), remarks);
        let affinity = config.spec.session_affinity.as_ref();
        let ttl = affinity.and_then(|affinity| affinity.affinity_cookie_ttl_sec.as_ref());
        let affinity_type = affinity.and_then(|affinity| affinity.affinity_type).unwrap_or_default();
        if let Some(ttl) = ttl.filter(|ttl| ttl.value.0 > DAY) {
            let is_used = affinity_type == AffinityType::GeneratedCookie;
            let effect = if is_used { ", but the filter uses the given value" } else { "" };
            remarks.note(config.at(ttl), format!("GKE allows at most {DAY}{effect}"));
        }
        let logging = config.spec.logging.as_ref().filter(|logging| logging.enable.unwrap_or_default().0);
        Self {
            affinity_type,
            cookie_ttl_sec: ttl.and_then(|ttl| used_ttl(config, ttl, affinity_type, remarks)),
            timeout_sec: config.spec.timeout_sec.map(|timeout| timeout.0),
            request_headers: headers::translated(
                config,
                config.spec.custom_request_headers.as_ref(),
                remarks,
            ),
            response_headers: headers::translated(
                config,
                config.spec.custom_response_headers.as_ref(),
                remarks,
            ),
            logged_millionths: logging
                .map(|logging| logging.sample_rate.map_or(1_000_000, Share::millionths)),
        }
    }

    /// The settings of a `GCPBackendPolicy`. Reports unsupported settings.
    pub fn of_gateway(policy: &GcpBackendPolicy, remarks: &mut Remarks) -> Self {
        let PolicySpec { default: Some(settings), .. } = &policy.spec else { return Self::default() };
        let BackendPolicy { session_affinity, timeout_sec, logging, .. } = settings;
        report_switch(policy, settings.iap.as_ref().and_then(|iap| iap.enabled.as_ref()), IAP, remarks);
        report_armor(policy, settings.security_policy.as_ref(), remarks);
        report_draining(policy, settings.connection_draining.as_ref(), remarks);
        for setting in [&settings.max_rate_per_endpoint, &settings.backend_preference].into_iter().flatten() {
            remarks.not_carried_over(policy.at(setting), RATE);
        }
        let kind = session_affinity.as_ref().and_then(|affinity| affinity.kind.as_ref());
        let affinity_type = kind.map_or(Some(AffinityType::None), |kind| kind.value.of_backend_config());
        match (kind, affinity_type) {
            (Some(kind), None) => remarks.not_carried_over(
                policy.at(kind),
                "the policy does not name the header or cookie: set this type in the filter's configuration",
            ),
            (Some(kind), _) if kind.value == GatewayAffinityType::ClientIpPortProto => {
                remarks.note(
                    policy.at(kind),
                    "converted to CLIENT_IP: all connections of a client go to one pod",
                );
            }
            _ => {}
        }
        let ttl = session_affinity.as_ref().and_then(|affinity| affinity.cookie_ttl_sec.as_ref());
        let logging = logging.as_ref().filter(|logging| logging.enabled.unwrap_or_default().0);
        Self {
            affinity_type: affinity_type.unwrap_or_default(),
            cookie_ttl_sec: ttl.and_then(|ttl| used_ttl(policy, ttl, affinity_type?, remarks)),
            timeout_sec: timeout_sec.map(|timeout| timeout.0),
            logged_millionths: logging.map(|logging| logging.sample_rate.map_or(1_000_000, |rate| rate.0)),
            ..Self::default()
        }
    }
}

/// The health check of a `HealthCheckPolicy`. `None` if it does not use HTTP. `target` is the port of the requests.
pub fn health_of(
    policy: &HealthCheckPolicy,
    target: Option<u16>,
    protocol: AppProtocol,
    remarks: &mut Remarks,
) -> Option<Health> {
    let Some(settings) = &policy.spec.default else { return Some(Health::default()) };
    let kind = settings.config.as_ref().map(|config| &config.kind);
    if let Some(kind) = kind.filter(|kind| kind.value.protocol().is_none()) {
        let why = "only health checks over HTTP are supported: failing requests and the pods' own readiness probes are used instead";
        remarks.not_carried_over(policy.at(kind), why);
        return None;
    }
    let http = settings.config.as_ref().and_then(|config| config.http());
    if let Some(name) = http.and_then(|http| http.port_name.as_ref()) {
        remarks.not_carried_over(policy.at(name), "health checks use the port of the requests");
    }
    if let Some(text) = http.and_then(|http| http.response.as_ref()).filter(|text| !text.value.is_empty()) {
        remarks.not_carried_over(
            policy.at(text),
            "only the status is checked: 200 is healthy, whatever the response body is",
        );
    }
    let check = HealthCheck {
        request_path: http.and_then(|http| http.request_path.clone()),
        check_interval_sec: settings.check_interval_sec,
        timeout_sec: settings.timeout_sec.clone(),
        healthy_threshold: settings.healthy_threshold,
        unhealthy_threshold: settings.unhealthy_threshold,
        protocol: kind.and_then(|kind| {
            let value = kind.value.protocol()?;
            Some(Spanned { value, referenced: kind.referenced, defined: kind.defined })
        }),
        port: http.and_then(|http| http.port),
    };
    // A policy has other defaults than GKE without a policy.
    let own = Health { check_interval_sec: 5, timeout_sec: 5, healthy_threshold: 2, ..Health::default() };
    let host = http.and_then(|http| Some(http.host.as_ref()?.get().to_owned()));
    Some(Health { host, ..own.with(policy, &check, target, protocol, remarks) })
}

/// The TTL, if cookies have this TTL. Only `GENERATED_COOKIE` makes a cookie.
fn used_ttl<S>(
    manifest: &Manifest<S>,
    ttl: &Spanned<Int<0, 1_209_600>>,
    affinity_type: AffinityType,
    remarks: &mut Remarks,
) -> Option<u32> {
    let name = match affinity_type {
        AffinityType::GeneratedCookie => return Some(ttl.value.0),
        AffinityType::None => "NONE",
        AffinityType::ClientIp => "CLIENT_IP",
    };
    let message = format!("not carried over: a TTL has no effect with the affinity type {name}");
    let help = "leave the TTL out, or write the type GENERATED_COOKIE for sessions with this lifetime";
    match (affinity_type, manifest.kind) {
        _ if ttl.value.0 == 0 => {}
        (AffinityType::ClientIp, "BackendConfig") => {
            remarks.note(manifest.at(ttl), "a TTL has no effect with CLIENT_IP, so the output has none");
        }
        _ => remarks.warning(manifest.at(ttl), message, help),
    }
    None
}

/// The first policy for a Service.
pub fn targeting<'a, T>(
    policies: &'a [Manifest<PolicySpec<T>>],
    service: &Service,
) -> Option<&'a Manifest<PolicySpec<T>>> {
    let wanted = ("Service", service.namespace(), service.name());
    policies.iter().find(|policy| target(policy) == wanted)
}

/// The kind, the namespace and the name of a policy's target.
fn target<T>(policy: &Manifest<PolicySpec<T>>) -> (&str, &str, &str) {
    let target = &policy.spec.target_ref;
    let namespace = target.namespace.as_ref().map_or(policy.namespace(), |namespace| namespace.get());
    (&target.kind.value, namespace, target.name.value.get())
}

/// Reports policies without a Service, and a second policy for one Service.
pub fn check_targets<T>(policies: &[Manifest<PolicySpec<T>>], manifests: &Manifests, remarks: &mut Remarks) {
    for (index, policy) in policies.iter().enumerate() {
        let reference = &policy.spec.target_ref;
        let (kind, namespace, name) = target(policy);
        let services = || manifests.services.iter().filter(|service| service.namespace() == namespace);
        match kind {
            "Service" => {}
            // Such a target is no Service of these manifests.
            "ServiceImport" => continue,
            _ => {
                let message = format!("a {} applies to a Service, and not to a {kind}", policy.kind);
                let help = "write `kind: Service` and the name of a Service";
                remarks.error(policy.at(&reference.kind), message, help);
                continue;
            }
        }
        if !services().any(|service| service.name() == name) {
            let message = format!("no Service {name:?} in namespace {namespace}");
            let elsewhere =
                |other: &str| format!("the Service is in namespace {other}: write `namespace: {other}`");
            let help = where_to_find(&manifests.services, namespace, name, elsewhere);
            let otherwise = || "add the Service to the manifests, or leave the policy out".to_owned();
            remarks.error(policy.at(&reference.name), message, help.unwrap_or_else(otherwise));
        }
        if let Some(first) = policies.iter().take(index).find(|first| target(first) == target(policy)) {
            let first = first.place().file_and_line();
            let message =
                format!("a second {} for the Service {name}; the first one is at {first}", policy.kind);
            remarks.error(policy.at(&reference.name), message, "keep one of the two");
        }
    }
}

fn report_switch<S>(
    manifest: &Manifest<S>,
    enabled: Option<&Spanned<Flag>>,
    why: &str,
    remarks: &mut Remarks,
) {
    if let Some(enabled) = enabled.filter(|enabled| enabled.value.0) {
        remarks.not_carried_over(manifest.at(enabled), why);
    }
}

fn report_armor<S>(manifest: &Manifest<S>, name: Option<&Spanned<String>>, remarks: &mut Remarks) {
    if let Some(name) = name.filter(|name| !name.value.is_empty()) {
        remarks.not_carried_over(manifest.at(name), ARMOR);
    }
}

fn report_draining<S>(manifest: &Manifest<S>, draining: Option<&ConnectionDraining>, remarks: &mut Remarks) {
    let seconds: Option<&Spanned<Int<0, 3600>>> = draining.and_then(|one| one.draining_timeout_sec.as_ref());
    if let Some(seconds) = seconds.filter(|seconds| seconds.value.0 > 0) {
        remarks.not_carried_over(manifest.at(seconds), DRAINING);
    }
}
