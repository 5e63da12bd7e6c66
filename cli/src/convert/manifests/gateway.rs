//! `Gateway` and `HTTPRoute` of the Gateway API.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use super::fields::{Int, Port};
use super::ingress::Hostname;

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
    pub allowed_routes: Option<AllowedRoutes>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowedRoutes {
    pub namespaces: Option<RouteNamespaces>,
    pub kinds: Option<Vec<RouteKind>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteNamespaces {
    pub from: Option<Spanned<FromNamespaces>>,
    #[serde(rename = "selector")]
    _selector: Option<IgnoredAny>,
}

/// The namespaces whose routes a listener accepts. `Same` is that of the Gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum FromNamespaces {
    All,
    Selector,
    #[default]
    Same,
    None,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteKind {
    pub kind: String,
    #[serde(rename = "group")]
    _group: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpRouteSpec {
    pub parent_refs: Option<Vec<ParentRef>>,
    pub hostnames: Option<Vec<Spanned<Hostname>>>,
    pub rules: Option<Vec<Spanned<RouteRule>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ParentRef {
    pub name: Spanned<String>,
    pub namespace: Option<String>,
    pub kind: Option<String>,
    pub section_name: Option<String>,
    pub port: Option<Port>,
    #[serde(rename = "group")]
    _group: Option<IgnoredAny>,
}

impl ParentRef {
    /// Whether the parent is a Gateway, and not a Service as in a service mesh.
    pub fn is_gateway(&self) -> bool {
        self.kind.as_deref().is_none_or(|kind| kind == "Gateway")
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RouteRule {
    pub matches: Option<Vec<Spanned<RouteMatch>>>,
    pub filters: Option<Vec<Spanned<Filter>>>,
    pub backend_refs: Option<Vec<Spanned<BackendRef>>>,
    pub timeouts: Option<Timeouts>,
    pub session_persistence: Option<Spanned<IgnoredAny>>,
    pub retry: Option<Spanned<IgnoredAny>>,
    #[serde(rename = "name")]
    _name: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
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
    pub value: Option<Spanned<String>>,
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
    pub name: Spanned<String>,
    pub value: Spanned<String>,
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
    pub remove: Option<Vec<Spanned<String>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedValue {
    pub name: Spanned<String>,
    pub value: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RequestRedirect {
    pub scheme: Option<Scheme>,
    pub hostname: Option<Hostname>,
    pub path: Option<PathModifier>,
    pub port: Option<Port>,
    pub status_code: Option<Spanned<u16>>,
}

/// The scheme of a redirect's location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    Http,
    Https,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UrlRewrite {
    pub hostname: Option<Hostname>,
    pub path: Option<PathModifier>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PathModifier {
    #[serde(rename = "type")]
    _kind: String,
    pub replace_full_path: Option<Spanned<String>>,
    pub replace_prefix_match: Option<Spanned<String>>,
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
