//! `Gateway` and `HTTPRoute` of the Gateway API, and GKE's policies for the Services behind them.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;

use super::backend_config::{AffinityType, ConnectionDraining};
use super::fields::{Flag, Int, Name, Port, RequestPath};
use super::ingress::Hostname;
use super::service::AppProtocol;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GatewaySpec {
    pub gateway_class_name: Spanned<String>,
    pub listeners: Vec<Spanned<Listener>>,
    pub addresses: Option<Vec<Spanned<IgnoredAny>>>,
    #[serde(rename = "infrastructure")]
    _infrastructure: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Listener {
    pub name: String,
    pub hostname: Option<Hostname>,
    pub port: Port,
    pub protocol: Spanned<String>,
    #[serde(rename = "tls")]
    _tls: Option<IgnoredAny>,
    #[serde(rename = "allowedRoutes")]
    _allowed_routes: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpRouteSpec {
    pub parent_refs: Option<Vec<ParentRef>>,
    pub hostnames: Option<Vec<Hostname>>,
    pub rules: Option<Vec<Spanned<RouteRule>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ParentRef {
    pub name: String,
    pub namespace: Option<String>,
    pub kind: Option<String>,
    pub section_name: Option<String>,
    pub port: Option<Port>,
    #[serde(rename = "group")]
    _group: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RouteRule {
    pub matches: Option<Vec<RouteMatch>>,
    pub filters: Option<Vec<Spanned<Filter>>>,
    pub backend_refs: Option<Vec<Spanned<BackendRef>>>,
    pub timeouts: Option<Timeouts>,
    pub session_persistence: Option<Spanned<IgnoredAny>>,
    pub retry: Option<Spanned<IgnoredAny>>,
    #[serde(rename = "name")]
    _name: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RouteMatch {
    pub path: Option<PathMatch>,
    pub headers: Option<Vec<ValueMatch>>,
    pub query_params: Option<Vec<ValueMatch>>,
    pub method: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathMatch {
    #[serde(rename = "type")]
    pub kind: Option<PathMatchType>,
    pub value: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub enum PathMatchType {
    Exact,
    PathPrefix,
    RegularExpression,
}

/// A match of a header or a query parameter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueMatch {
    #[serde(rename = "type")]
    pub kind: Option<ValueMatchType>,
    pub name: String,
    pub value: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub enum ValueMatchType {
    Exact,
    RegularExpression,
}

/// `type` names the field that is set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Filter {
    #[serde(rename = "type")]
    pub kind: String,
    pub request_header_modifier: Option<HeaderModifier>,
    pub response_header_modifier: Option<HeaderModifier>,
    pub request_redirect: Option<RequestRedirect>,
    pub url_rewrite: Option<UrlRewrite>,
    #[serde(rename = "requestMirror")]
    _request_mirror: Option<IgnoredAny>,
    #[serde(rename = "extensionRef")]
    _extension_ref: Option<IgnoredAny>,
    #[serde(rename = "cors")]
    _cors: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderModifier {
    pub set: Option<Vec<NamedValue>>,
    pub add: Option<Vec<NamedValue>>,
    pub remove: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedValue {
    pub name: String,
    pub value: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RequestRedirect {
    pub scheme: Option<String>,
    pub hostname: Option<String>,
    pub path: Option<PathModifier>,
    pub port: Option<Port>,
    pub status_code: Option<Spanned<u16>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UrlRewrite {
    pub hostname: Option<String>,
    pub path: Option<PathModifier>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PathModifier {
    #[serde(rename = "type")]
    _kind: String,
    pub replace_full_path: Option<String>,
    pub replace_prefix_match: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendRef {
    pub kind: Option<Spanned<String>>,
    pub name: Spanned<String>,
    pub namespace: Option<String>,
    pub port: Option<Spanned<Port>>,
    pub weight: Option<Int<0, 1_000_000>>,
    pub filters: Option<Vec<Spanned<IgnoredAny>>>,
    #[serde(rename = "group")]
    _group: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Timeouts {
    pub request: Option<Duration>,
    pub backend_request: Option<Duration>,
}

/// A duration of the Gateway API (GEP-2257), such as `1h30m` or `500ms`, in milliseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Duration(pub u64);

/// The target of a policy: a Service in the policy's namespace.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetRef {
    pub kind: String,
    pub name: Name,
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

impl TryFrom<String> for Duration {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("not a duration: {text:?}, expected one such as 10s, 500ms or 1h30m");
        let mut rest = &*text;
        let mut milliseconds: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|character: char| !character.is_ascii_digit()).ok_or_else(wrong)?;
            let (number, after) = rest.split_at_checked(digits).ok_or_else(wrong)?;
            let units = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
            let (unit, factor) =
                units.into_iter().find(|(unit, _)| after.starts_with(unit)).ok_or_else(wrong)?;
            let number: u32 = number.parse().map_err(|_| wrong())?;
            milliseconds += u64::from(number) * factor;
            rest = after.strip_prefix(unit).unwrap_or_default();
        }
        if text.is_empty() { Err(wrong()) } else { Ok(Self(milliseconds)) }
    }
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
