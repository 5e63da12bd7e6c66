//! `Ingress`: which requests go to which Service.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;

use super::fields::{Port, PortRef, is_subdomain};

/// The fields of all versions. `backend`, `serviceName` and `servicePort` exist only in v1beta1.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IngressSpec {
    pub default_backend: Option<Spanned<IngressBackend>>,
    pub backend: Option<Spanned<IngressBackend>>,
    pub rules: Option<Vec<Spanned<Rule>>>,
    pub tls: Option<Vec<Spanned<IgnoredAny>>>,
    pub ingress_class_name: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub host: Option<Hostname>,
    pub http: Option<Http>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    pub paths: Vec<Spanned<HttpPath>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpPath {
    pub path: Option<Spanned<String>>,
    pub path_type: Option<PathType>,
    pub backend: Spanned<IngressBackend>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum PathType {
    /// Only this path.
    Exact,
    /// This path and its subpaths.
    Prefix,
    /// As in GKE: only this path, unless it ends in `/*`.
    ImplementationSpecific,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IngressBackend {
    pub service: Option<ServiceBackend>,
    pub resource: Option<Spanned<IgnoredAny>>,
    pub service_name: Option<Spanned<String>>,
    pub service_port: Option<Spanned<PortRef>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceBackend {
    pub name: Spanned<String>,
    pub port: Spanned<BackendPort>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendPort {
    pub name: Option<String>,
    pub number: Option<Port>,
}

/// A DNS name, or a DNS name after `*.`. Empty: every host.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Hostname(pub String);

impl TryFrom<String> for Hostname {
    type Error = String;

    fn try_from(host: String) -> Result<Self, String> {
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        let is_host = is_subdomain(host.strip_prefix("*.").unwrap_or(&host));
        if host.is_empty() || (is_host && !is_address) {
            return Ok(Self(host));
        }
        Err(format!(
            "not a host: {host:?}, expected a lower-case DNS name, without a port, or one after `*.`"
        ))
    }
}

impl BackendPort {
    /// The port, if either a name or a number is given.
    pub fn reference(&self) -> Option<PortRef> {
        match (&self.name, self.number) {
            (Some(name), None) => Some(PortRef::Name(name.clone())),
            (None, Some(number)) => Some(PortRef::Number(number.number())),
            _ => None,
        }
    }
}
