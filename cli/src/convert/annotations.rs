//! JSON in the annotations of a Service.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::manifests::Service;
use super::manifests::service::{AppProtocol, ServicePort};
use super::remarks::{Remarks, one_of};
use crate::suggest::is_nearly;

const BACKEND_CONFIG: [&str; 2] = ["cloud.google.com/backend-config", "beta.cloud.google.com/backend-config"];
const APP_PROTOCOLS: [&str; 2] =
    ["service.alpha.kubernetes.io/app-protocols", "cloud.google.com/app-protocols"];
const NEG: &str = "cloud.google.com/neg";

/// The BackendConfigs of the ports of a Service.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackendConfigNames {
    default: Option<String>,
    #[serde(default)]
    ports: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Neg {
    ingress: Option<bool>,
}

/// The name of a port's BackendConfig, and the annotation that names it. The port's name takes precedence over the
/// port's number, and both over the default.
pub fn backend_config<'a>(
    service: &'a Service,
    port: &ServicePort,
    remarks: &mut Remarks,
) -> Option<(String, &'a str)> {
    const ALLOWED: &str = r#"{"default": "NAME", "ports": {"PORT": "NAME"}}, with at least one name"#;
    let (annotation, names) = json::<BackendConfigNames>(service, &BACKEND_CONFIG, ALLOWED, remarks)?;
    if names.default.is_none() && names.ports.is_empty() {
        let text = service.annotation(annotation)?;
        remarks.error(
            service.at(text),
            format!("no BackendConfig: {}", text.value),
            format!("write {ALLOWED}"),
        );
    }
    let known: Vec<String> = service.spec.ports().flat_map(|port| names_of(&port.value)).collect();
    refuse_unknown_ports(service, annotation, names.ports.keys(), &known, "", remarks);
    let by_name = port.name.as_ref().and_then(|name| names.ports.get(name));
    let by_number = || names.ports.get(&port.port.number().to_string());
    let name = by_name.or_else(by_number).or(names.default.as_ref())?;
    Some((name.clone(), annotation))
}

/// The protocol of the pods behind a port. A GKE Gateway reads `appProtocol`, and an Ingress the annotation.
pub fn protocol(
    service: &Service,
    port: &ServicePort,
    is_gateway: bool,
    remarks: &mut Remarks,
) -> AppProtocol {
    const ALLOWED: &str = r#"{"PORT NAME": PROTOCOL}, where PROTOCOL is "HTTP", "HTTPS" or "HTTP2""#;
    let protocols = json::<BTreeMap<String, AppProtocol>>(service, &APP_PROTOCOLS, ALLOWED, remarks);
    let annotated = protocols.and_then(|(annotation, protocols)| {
        let known: Vec<String> = service.spec.ports().filter_map(|port| port.value.name.clone()).collect();
        let help = "this annotation needs the name of a port: ";
        refuse_unknown_ports(service, annotation, protocols.keys(), &known, help, remarks);
        protocols.get(port.name.as_ref()?).copied()
    });
    let Some(written) = &port.app_protocol else { return annotated.unwrap_or_default() };
    match (is_gateway, AppProtocol::of_port(&written.value)) {
        (true, Some(protocol)) => return protocol,
        (true, None) => {
            let message = format!(
                "not carried over: GKE does not know the protocol {:?}: requests to the pods use HTTP/1.1",
                written.value
            );
            remarks.warning(service.at(written), message, "write HTTP, HTTPS, HTTP2 or kubernetes.io/h2c");
        }
        (false, Some(AppProtocol::Http)) => {}
        (false, _) if annotated.is_some() => {}
        (false, _) => {
            let help = "write the annotation cloud.google.com/app-protocols";
            remarks.warning(service.at(written), "a GKE Ingress ignores this field", help);
        }
    }
    annotated.unwrap_or_default()
}

/// Reports annotations that GKE does not read: misspelt names, and the BackendConfig of a Service behind a Gateway.
pub fn check(service: &Service, is_gateway: bool, remarks: &mut Remarks) {
    let known = || BACKEND_CONFIG.into_iter().chain(APP_PROTOCOLS);
    for (name, value) in service.annotations() {
        if known().all(|known| known != name)
            && let Some(meant) = known().find(|known| is_nearly(name, known))
        {
            let message = format!("not carried over: GKE has no annotation {name}");
            remarks.warning(service.at(value), message, format!("write {meant}"));
        }
        if is_gateway && BACKEND_CONFIG.contains(&name) {
            let message = "not carried over: a GKE Gateway ignores BackendConfigs";
            remarks.warning(service.at(value), message, "write a GCPBackendPolicy for this Service");
        }
    }
}

/// The name and the number of a port.
fn names_of(port: &ServicePort) -> impl Iterator<Item = String> + '_ {
    port.name.clone().into_iter().chain([port.port.number().to_string()])
}

/// Reports ports in an annotation that the Service does not have.
fn refuse_unknown_ports<'a>(
    service: &Service,
    annotation: &str,
    given: impl Iterator<Item = &'a String>,
    known: &[String],
    help: &str,
    remarks: &mut Remarks,
) {
    let Some(place) = service.annotation(annotation).map(|text| service.at(text)) else { return };
    for port in given.filter(|port| !known.contains(port)) {
        let message = format!("Service {} has no port {port:?}", service.name());
        let help = match known {
            [] => "give the port a name".to_owned(),
            known => format!("{help}{}", one_of(known)),
        };
        remarks.error(place.clone(), message, help);
    }
}

/// Whether a Service turns off network endpoint groups for an Ingress.
pub fn refuses_endpoint_groups(service: &Service, remarks: &mut Remarks) -> bool {
    let neg = json::<Neg>(service, &[NEG], "{\"ingress\": true}", remarks);
    neg.is_some_and(|(_, neg)| neg.ingress == Some(false))
}

/// The first of these annotations that the Service has, and its value.
fn json<T: DeserializeOwned>(
    service: &Service,
    names: &[&'static str],
    allowed: &str,
    remarks: &mut Remarks,
) -> Option<(&'static str, T)> {
    let (name, text) = names.iter().find_map(|name| Some((*name, service.annotation(name)?)))?;
    match serde_json::from_str(&text.value) {
        Ok(value) => return Some((name, value)),
        Err(error) => {
            remarks.error(service.at(text), message(&error, &text.value), format!("write {allowed}"));
        }
    }
    None
}

/// The message about an error in an annotation. For a wrong type, shows the text in place of serde's words.
fn message(error: &serde_json::Error, given: &str) -> String {
    if !error.is_data() {
        return format!("not JSON: {error}");
    }
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    let text = text.split(", expected ").next().unwrap_or_default();
    match text.strip_prefix("unknown variant ") {
        Some(value) => format!("unknown value {value}"),
        None if text.starts_with("unknown field ") || text.starts_with("duplicate field ") => text.to_owned(),
        None => format!("invalid value: {given}"),
    }
}
