//! Services made from configurations, clients that remember, and randomness that is the same in every run.

use std::ops::Deref;

use serde_json::Value;
use session_affinity::affinity::{Decision, Facts, Part, Verdict};
use session_affinity::backends::BackendId;
use session_affinity::config::Config;
use session_affinity::hash::mix;
use session_affinity::health::View;
use session_affinity::outcome::Outcome;
use session_affinity::service::{Service, Services};
use session_affinity::session::{Millis, Session};
use session_affinity::token::NONCE_LEN;

/// A secret of 32 bytes.
pub const SECRET: &str = "IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSE=";
/// Another one.
pub const OTHER_SECRET: &str = "QW5vdGhlciB0aGlydHktdHdvIGJ5dGVzIGhlcmUuLi4=";
/// Some moment in 2023.
pub const NOW: Millis = 1_700_000_000_000;

/// The services of a configuration.
pub fn services(config: &Value) -> Services {
    let config = Config::parse(config.to_string().as_bytes(), &|_| None).unwrap();
    Services::new(config.services, config.keys)
}

/// The service of a configuration with one. All its backends are healthy.
pub struct One {
    services: Services,
    healthy: View,
}

impl Deref for One {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.services.all()[0]
    }
}

impl One {
    /// As [`Service::decide`].
    pub fn decide(&self, facts: &Facts<'_>) -> Decision<'_> {
        Service::decide(self, facts, &self.healthy)
    }
}

/// As [`services`], for one.
pub fn service(config: &Value) -> One {
    let services = services(config);
    let healthy = View::healthy(&services.all()[0].backends);
    One { services, healthy }
}

/// So many numbers, uniform over 64 bits; the same in every run.
pub fn randoms(count: u64) -> impl Iterator<Item = u64> {
    (1..=count).map(|index| mix(index.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// A request with these cookies.
pub fn request(now: Millis, random: u64, cookies: &str) -> Facts<'_> {
    Facts { now, random, cookies: cookies.as_bytes(), path: b"/", ..Facts::default() }
}

/// The name of the cluster that a request goes to.
pub fn cluster<'a>(decision: &Decision<'a>) -> &'a str {
    match &decision.verdict {
        Verdict::Forward(to) => to.backend.unwrap().cluster(),
        Verdict::Reject(status) => panic!("rejected with {status}"),
    }
}

/// What the request is to a session.
pub fn part(decision: &Decision<'_>) -> Part {
    match &decision.verdict {
        Verdict::Forward(to) => to.part,
        Verdict::Reject(status) => panic!("rejected with {status}"),
    }
}

/// The session that a client is told of, if there is news of one.
pub fn news(decision: &Decision<'_>) -> Option<Session> {
    match part(decision) {
        Part::First(session) | Part::Changed(session) => Some(session),
        _ => None,
    }
}

/// The session that a client is told of.
pub fn session(decision: &Decision<'_>) -> Session {
    news(decision).unwrap_or_else(|| panic!("no news of a session: {decision:?}"))
}

/// A session on this backend that begins now.
pub fn begin(now: Millis, cluster: &str) -> Session {
    Session::begin(now, 1, BackendId::of(cluster))
}

/// What a session says as the `GCLB` cookie of a service.
pub fn cookie(service: &Service, session: &Session) -> String {
    let token = service.tokens.as_ref().unwrap().write(session, [7; NONCE_LEN]);
    format!("GCLB={token}")
}

/// A client that keeps its cookie, as a browser does.
pub struct Client {
    pub cookie: String,
    pub cluster: String,
}

impl Client {
    /// Its first request begins a session.
    pub fn begin(service: &One, now: Millis, random: u64) -> Self {
        let decision = service.decide(&request(now, random, ""));
        assert_eq!(decision.outcome, Outcome::Assigned);
        let cookie = cookie(service, &session(&decision));
        Self { cookie, cluster: cluster(&decision).to_owned() }
    }

    /// So many clients at the same time.
    pub fn crowd(service: &One, count: u64) -> Vec<Self> {
        randoms(count).map(|random| Self::begin(service, NOW, random)).collect()
    }

    /// Another request; what is new is remembered.
    pub fn ask(&mut self, service: &One, now: Millis, random: u64) -> Outcome {
        let decision = service.decide(&request(now, random, &self.cookie));
        cluster(&decision).clone_into(&mut self.cluster);
        if let Some(session) = news(&decision) {
            self.cookie = cookie(service, &session);
        }
        decision.outcome
    }
}

/// How likely such a spread is if it follows these weights. Clusters of weight 0 must not be among them.
pub fn p_value<'a>(clusters: impl IntoIterator<Item = &'a str>, weights: &[(&str, u32)]) -> f64 {
    let mut counts = vec![0; weights.len()];
    for cluster in clusters {
        let index = weights.iter().position(|(name, _)| *name == cluster);
        counts[index.unwrap_or_else(|| panic!("{cluster} is none of {weights:?}"))] += 1;
    }
    let weights: Vec<f64> = weights.iter().map(|(_, weight)| f64::from(*weight)).collect();
    harness::chi_squared(&counts, &weights)
}
