//! `BackendConfig`: how requests are sent to a Service.

use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use super::fields::{Flag, Int, Port, RequestPath, Share, is_token};
use super::service::AppProtocol;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BackendConfigSpec {
    pub session_affinity: Option<Affinity>,
    pub timeout_sec: Option<Int<1, 2_147_483_647>>,
    pub health_check: Option<HealthCheck>,
    pub custom_request_headers: Option<Headers>,
    pub custom_response_headers: Option<Headers>,
    pub logging: Option<Logging>,
    pub cdn: Option<Switch>,
    pub iap: Option<Switch>,
    pub security_policy: Option<SecurityPolicy>,
    pub connection_draining: Option<ConnectionDraining>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Affinity {
    #[serde(default)]
    pub affinity_type: Option<AffinityType>,
    /// The range of Google Cloud and of the filter. GKE itself allows at most a day.
    pub affinity_cookie_ttl_sec: Option<Spanned<Int<0, 1_209_600>>>,
}

/// What ties a request to a pod. As in GKE, an empty type is `NONE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", try_from = "String")]
pub enum AffinityType {
    #[default]
    None,
    ClientIp,
    GeneratedCookie,
}

/// Missing fields come from the pods' readiness probe, or from GKE's defaults.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HealthCheck {
    pub request_path: Option<RequestPath>,
    pub check_interval_sec: Option<Int<1, 300>>,
    pub timeout_sec: Option<Spanned<Int<1, 300>>>,
    pub healthy_threshold: Option<Int<1, 10>>,
    pub unhealthy_threshold: Option<Int<1, 10>>,
    #[serde(rename = "type")]
    pub protocol: Option<Spanned<AppProtocol>>,
    pub port: Option<Port>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Headers {
    pub headers: Option<Vec<Spanned<Header>>>,
}

/// A header that the balancer adds.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Header {
    pub name: String,
    /// With the variables of BackendConfig.
    pub value: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Logging {
    #[serde(default)]
    pub enable: Option<Flag>,
    pub sample_rate: Option<Share>,
}

/// A feature of Google's load balancer. Its other fields only matter there.
#[derive(Debug, Deserialize)]
pub struct Switch {
    pub enabled: Spanned<Flag>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecurityPolicy {
    pub name: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ConnectionDraining {
    pub draining_timeout_sec: Option<Spanned<Int<0, 3600>>>,
}

impl TryFrom<String> for AffinityType {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match &*text {
            "" | "NONE" => Ok(Self::None),
            "CLIENT_IP" => Ok(Self::ClientIp),
            "GENERATED_COOKIE" => Ok(Self::GeneratedCookie),
            _ => Err(format!("unknown type {text:?}, expected NONE, CLIENT_IP or GENERATED_COOKIE")),
        }
    }
}

impl TryFrom<String> for Header {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let header = text
            .split_once(':')
            .filter(|(name, value)| is_token(name) && !value.chars().any(char::is_control));
        match header {
            Some((name, value)) => Ok(Self { name: name.to_owned(), value: value.trim().to_owned() }),
            None => Err(format!("not a header: {text:?}, expected \"NAME:VALUE\"")),
        }
    }
}
