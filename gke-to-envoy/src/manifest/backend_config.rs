//! `BackendConfig`: how requests are sent to a Service.

use std::str::FromStr;

use super::Metadata;
use super::health::HealthCheck;
use crate::reader::{Item, Located, Object};
use crate::report::{Remark, Report};

/// A BackendConfig.
#[derive(Debug)]
pub struct BackendConfig {
    /// Its name and namespace.
    pub metadata: Metadata,
    /// `sessionAffinity`.
    pub affinity: Option<Affinity>,
    /// `timeoutSec`.
    pub timeout_sec: Option<u32>,
    /// `healthCheck`.
    pub health_check: Option<HealthCheck>,
    /// `customRequestHeaders`.
    pub request_headers: Vec<Located<Header>>,
    /// `customResponseHeaders`.
    pub response_headers: Vec<Located<Header>>,
    /// `logging`, where it is on.
    pub logging: Option<Logging>,
    /// What has no equal, to be said where this BackendConfig is used.
    pub remarks: Vec<Remark>,
}

/// `sessionAffinity`.
#[derive(Clone, Debug)]
pub struct Affinity {
    /// What ties a request to a pod.
    pub affinity_type: AffinityType,
    /// The life of a session in seconds, where it is written.
    pub cookie_ttl_sec: Option<u32>,
}

/// `affinityType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AffinityType {
    /// Nothing.
    None,
    /// The client's address.
    ClientIp,
    /// A cookie.
    GeneratedCookie,
}

/// A header that the balancer adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value, in the language of BackendConfig.
    pub value: String,
}

/// `logging`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Logging {
    /// The share of requests that is logged, from 0 to 1.
    pub sample_rate: f64,
}

impl AffinityType {
    const ALLOWED: &str = "NONE, CLIENT_IP, GENERATED_COOKIE";

    /// As it is written, there and here.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::ClientIp => "CLIENT_IP",
            Self::GeneratedCookie => "GENERATED_COOKIE",
        }
    }
}

impl FromStr for AffinityType {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            // As GKE reads it.
            "" | "NONE" => Ok(Self::None),
            "CLIENT_IP" => Ok(Self::ClientIp),
            "GENERATED_COOKIE" => Ok(Self::GeneratedCookie),
            _ => Err(()),
        }
    }
}

impl BackendConfig {
    pub(super) fn read(metadata: Metadata, spec: &Object<'_>, report: &mut Report) -> Self {
        let mut kept = Report::default();
        no_equal(spec, report, &mut kept);
        Self {
            metadata,
            affinity: spec.get("sessionAffinity").and_then(|item| affinity(&item, report)),
            timeout_sec: spec
                .get("timeoutSec")
                .and_then(|item| item.integer(report, 1..=i32::MAX.unsigned_abs())),
            health_check: spec.get("healthCheck").and_then(|item| HealthCheck::read(&item, report)),
            request_headers: headers(spec.get("customRequestHeaders"), report),
            response_headers: headers(spec.get("customResponseHeaders"), report),
            logging: spec.get("logging").and_then(|item| logging(&item, report)),
            remarks: kept.remarks().to_vec(),
        }
    }
}

fn affinity(item: &Item<'_>, report: &mut Report) -> Option<Affinity> {
    let object = item.object(report)?;
    let affinity_type = object
        .get("affinityType")
        .map_or(Some(AffinityType::None), |item| item.one_of(report, AffinityType::ALLOWED));
    // What Google Cloud and the filter take. GKE itself stops at a day.
    let ttl = object.get("affinityCookieTtlSec").map(|item| item.integer(report, 0..=1_209_600));
    object.refuse_others(report);
    let cookie_ttl_sec = match ttl {
        Some(ttl) => Some(ttl?),
        None => None,
    };
    Some(Affinity { affinity_type: affinity_type?, cookie_ttl_sec })
}

fn logging(item: &Item<'_>, report: &mut Report) -> Option<Logging> {
    let object = item.object(report)?;
    let enable = object.get("enable").is_some_and(|item| item.boolean(report) == Some(true));
    let sample_rate = object.get("sampleRate").map_or(Some(1.0), |item| item.fraction(report));
    object.refuse_others(report);
    sample_rate.filter(|_| enable).map(|sample_rate| Logging { sample_rate })
}

fn headers(item: Option<Item<'_>>, report: &mut Report) -> Vec<Located<Header>> {
    let Some(object) = item.and_then(|item| item.object(report)) else { return Vec::new() };
    let list = object.get("headers").map_or_else(Vec::new, |item| item.list(report));
    object.refuse_others(report);
    list.iter().filter_map(|item| header(item, report)).collect()
}

fn header(item: &Item<'_>, report: &mut Report) -> Option<Located<Header>> {
    let text = item.text(report)?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let header = text.split_once(':').filter(|(name, value)| {
        !name.is_empty() && name.bytes().all(is_token) && !value.chars().any(char::is_control)
    });
    let Some((name, value)) = header else {
        item.wrong(report, "not a header", "\"NAME:VALUE\"");
        return None;
    };
    let header = Header { name: name.to_owned(), value: value.trim().to_owned() };
    Some(Located { value: header, place: item.place() })
}

/// What only Google's balancer has.
fn no_equal(spec: &Object<'_>, report: &mut Report, kept: &mut Report) {
    for (key, why) in [
        ("iap", "Envoy does not ask Google who a user is: without it, everybody gets through"),
        ("cdn", "nothing is cached: Envoy has no equal of Cloud CDN"),
    ] {
        let Some(item) = spec.get(key) else { continue };
        let enabled =
            item.object(report).and_then(|object| object.require(report, "enabled", "true or false"));
        if let Some(enabled) = enabled.filter(|enabled| enabled.boolean(report) == Some(true)) {
            kept.not_carried_over(&enabled.place(), why);
        }
    }
    if let Some(object) = spec.get("securityPolicy").and_then(|item| item.object(report)) {
        let name = object.require(report, "name", "a security policy's name");
        object.refuse_others(report);
        if let Some(name) = name.filter(|name| name.text(report).is_some_and(|name| !name.is_empty())) {
            let why = "Envoy does not know Cloud Armor's rules: without them, everybody gets through";
            kept.not_carried_over(&name.place(), why);
        }
    }
    if let Some(object) = spec.get("connectionDraining").and_then(|item| item.object(report)) {
        let timeout = object.get("drainingTimeoutSec");
        object.refuse_others(report);
        let Some(timeout) = timeout else { return };
        if timeout.integer(report, 0..=3600).is_some_and(|seconds: u32| seconds > 0) {
            let why = "Envoy sets no limit: requests under way to a pod that is taken out go on to their end";
            kept.not_carried_over(&timeout.place(), why);
        }
    }
}
