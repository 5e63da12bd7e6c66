//! JSON in the annotations of a Service.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::manifests::Service;
use super::manifests::service::{AppProtocol, ServicePort};
use super::remarks::Remarks;

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
    let by_name = port.name.as_ref().and_then(|name| names.ports.get(name));
    let by_number = || names.ports.get(&port.port.number().to_string());
    let name = by_name.or_else(by_number).or(names.default.as_ref())?;
    Some((name.clone(), annotation))
}

/// The protocol of the pods behind a port.
pub fn protocol(service: &Service, port: &ServicePort, remarks: &mut Remarks) -> AppProtocol {
    const ALLOWED: &str = r#"{"PORT NAME": PROTOCOL}, where PROTOCOL is "HTTP", "HTTPS" or "HTTP2""#;
    let protocols = json::<BTreeMap<String, AppProtocol>>(service, &APP_PROTOCOLS, ALLOWED, remarks);
    let named = protocols.and_then(|(_, protocols)| protocols.get(port.name.as_ref()?).copied());
    named.unwrap_or_default()
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
