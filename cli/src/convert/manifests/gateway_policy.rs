//! GKE's policies for the Services behind a Gateway: `GCPBackendPolicy` and `HealthCheckPolicy`.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;

use super::backend_config::{AffinityType, ConnectionDraining};
use super::fields::{Flag, Int, Name, Port, RequestPath};
use super::service::AppProtocol;

/// The target of a policy: a Service, by default in the policy's namespace.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetRef {
    pub kind: Spanned<String>,
    pub name: Spanned<Name>,
    pub namespace: Option<Name>,
    #[serde(rename = "group")]
    _group: Option<IgnoredAny>,
}

/// A policy with these settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PolicySpec<T> {
    pub target_ref: TargetRef,
    pub default: Option<T>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BackendPolicy {
    pub session_affinity: Option<GatewayAffinity>,
    pub timeout_sec: Option<Int<1, 2_147_483_647>>,
    pub logging: Option<GatewayLogging>,
    pub connection_draining: Option<ConnectionDraining>,
    pub security_policy: Option<Spanned<String>>,
    pub iap: Option<GatewayIap>,
    pub max_rate_per_endpoint: Option<Spanned<IgnoredAny>>,
    pub backend_preference: Option<Spanned<IgnoredAny>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GatewayAffinity {
    #[serde(rename = "type")]
    pub kind: Option<Spanned<GatewayAffinityType>>,
    pub cookie_ttl_sec: Option<Spanned<Int<0, 1_209_600>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GatewayAffinityType {
    None,
    ClientIp,
    ClientIpProto,
    ClientIpPortProto,
    GeneratedCookie,
    HeaderField,
    HttpCookie,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GatewayLogging {
    pub enabled: Option<Flag>,
    /// In millionths.
    pub sample_rate: Option<Int<0, 1_000_000>>,
}

/// The other fields only matter to Google.
#[derive(Debug, Deserialize)]
pub struct GatewayIap {
    pub enabled: Option<Spanned<Flag>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HealthPolicy {
    pub check_interval_sec: Option<Int<1, 300>>,
    pub timeout_sec: Option<Spanned<Int<1, 300>>>,
    pub healthy_threshold: Option<Int<1, 10>>,
    pub unhealthy_threshold: Option<Int<1, 10>>,
    pub config: Option<HealthConfig>,
    #[serde(rename = "logConfig")]
    _log_config: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HealthConfig {
    #[serde(rename = "type")]
    pub kind: Spanned<HealthType>,
    pub http_health_check: Option<HttpHealth>,
    pub https_health_check: Option<HttpHealth>,
    pub http2_health_check: Option<HttpHealth>,
    #[serde(rename = "tcpHealthCheck")]
    _tcp: Option<IgnoredAny>,
    #[serde(rename = "grpcHealthCheck")]
    _grpc: Option<IgnoredAny>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HealthType {
    Http,
    Https,
    Http2,
    Tcp,
    Grpc,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpHealth {
    pub request_path: Option<RequestPath>,
    pub host: Option<Name>,
    pub port: Option<Port>,
    pub port_name: Option<Spanned<IgnoredAny>>,
    pub response: Option<Spanned<String>>,
    #[serde(rename = "portSpecification")]
    _port_specification: Option<IgnoredAny>,
    #[serde(rename = "proxyHeader")]
    _proxy_header: Option<IgnoredAny>,
}

impl HealthConfig {
    /// The settings that `type` names.
    pub fn http(&self) -> Option<&HttpHealth> {
        match self.kind.value {
            HealthType::Http => self.http_health_check.as_ref(),
            HealthType::Https => self.https_health_check.as_ref(),
            HealthType::Http2 => self.http2_health_check.as_ref(),
            HealthType::Tcp | HealthType::Grpc => None,
        }
    }
}

impl HealthType {
    /// The protocol, if the probes use HTTP.
    pub fn protocol(self) -> Option<AppProtocol> {
        match self {
            Self::Http => Some(AppProtocol::Http),
            Self::Https => Some(AppProtocol::Https),
            Self::Http2 => Some(AppProtocol::Http2),
            Self::Tcp | Self::Grpc => None,
        }
    }
}

impl GatewayAffinityType {
    /// The equivalent type of a BackendConfig, if there is one.
    pub fn of_backend_config(self) -> Option<AffinityType> {
        match self {
            Self::None => Some(AffinityType::None),
            Self::ClientIp | Self::ClientIpProto | Self::ClientIpPortProto => Some(AffinityType::ClientIp),
            Self::GeneratedCookie => Some(AffinityType::GeneratedCookie),
            Self::HeaderField | Self::HttpCookie => None,
        }
    }
}
