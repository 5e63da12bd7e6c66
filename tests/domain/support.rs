//! Services made from configurations, clients that remember, and randomness that is the same in every run.

use std::ops::Deref;

use serde_json::Value;
use session_affinity::affinity::{Decision, Facts, News, Verdict};
use session_affinity::config::Config;
use session_affinity::hash::mix;
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

/// The service of a configuration with one.
pub struct One(Services);

impl Deref for One {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0.all()[0]
    }
}

/// As [`services`], for one.
pub fn service(config: &Value) -> One {
    One(services(config))
}

/// So many numbers, uniform over 64 bits; the same in every run.
pub fn randoms(count: u64) -> impl Iterator<Item = u64> {
    (1..=count).map(|index| mix(index.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// A request with these cookies.
pub fn request(now: Millis, random: u64, cookies: &str) -> Facts<'_> {
    Facts { now, random, cookies: cookies.as_bytes(), path: b"/", client_address: b"" }
}

/// The name of the cluster that a request goes to.
pub fn cluster<'a>(decision: &Decision<'a>) -> &'a str {
    match decision.verdict {
        Verdict::Forward(backend, _) => backend.cluster(),
        Verdict::Reject(status) => panic!("rejected with {status}"),
    }
}

/// The session that a client is told of.
pub fn session(decision: &Decision<'_>) -> Session {
    match decision.verdict {
        Verdict::Forward(_, News::Began(session) | News::Changed(session)) => session,
        other => panic!("no news of a session: {other:?}"),
    }
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
    pub fn begin(service: &Service, now: Millis, random: u64) -> Self {
        let decision = service.decide(&request(now, random, ""));
        assert_eq!(decision.outcome, Outcome::Assigned);
        let cookie = cookie(service, &session(&decision));
        Self { cookie, cluster: cluster(&decision).to_owned() }
    }

    /// So many clients at the same time.
    pub fn crowd(service: &Service, count: u64) -> Vec<Self> {
        randoms(count).map(|random| Self::begin(service, NOW, random)).collect()
    }

    /// Another request; what is new is remembered.
    pub fn ask(&mut self, service: &Service, now: Millis, random: u64) -> Outcome {
        let decision = service.decide(&request(now, random, &self.cookie));
        cluster(&decision).clone_into(&mut self.cluster);
        if let Verdict::Forward(_, News::Began(session) | News::Changed(session)) = decision.verdict {
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
