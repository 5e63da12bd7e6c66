//! Helpers of unit tests: services made from configurations, requests that record which inputs are read, clients that
//! keep their cookie, and fixed randomness.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;

use serde_json::Value;

use crate::balance::BackendId;
use crate::balance::hash::mix;
use crate::config::Config;
use crate::health::{Availability, HealthTable, Observation, ResponseClass};
use crate::routing::decide::Decision;
use crate::routing::{DecisionInputs, Forward, Outcome, Routing, Service, SessionUpdate, decide};
use crate::session::key::Key;
use crate::session::token::NONCE_LEN;
use crate::session::{Millis, Session};

/// A configured secret of 32 bytes.
pub(crate) const SECRET: &str = "IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSE=";
/// Another configured secret.
pub(crate) const OTHER_SECRET: &str = "QW5vdGhlciB0aGlydHktdHdvIGJ5dGVzIGhlcmUuLi4=";
/// A time in 2023.
pub(crate) const NOW: Millis = 1_700_000_000_000;
/// The nonce of all tokens of test clients.
pub(crate) const NONCE: [u8; NONCE_LEN] = [7; NONCE_LEN];
/// A p-value below this one shows that a spread does not follow its weights.
pub(crate) const UNLIKELY: f64 = 0.001;

/// The services of a configuration.
pub(crate) fn services(config: &Value) -> Vec<Service> {
    let config = Config::parse(config.to_string().as_bytes(), &|_| None).unwrap();
    let keys: Rc<[Key]> = config.keys.into();
    let cache = Rc::default();
    config.services.into_iter().map(|service| Service::new(service, &keys, &cache)).collect()
}

/// The service of a configuration with one service.
pub(crate) fn service(config: &Value) -> TestService {
    let service = services(config).remove(0);
    let availability = Availability::all_available(service.backends());
    TestService { service, availability }
}

/// A service and the availability of its backends.
pub(crate) struct TestService {
    service: Service,
    availability: Availability,
}

impl TestService {
    /// Decides on a request.
    pub(crate) fn decide(&self, request: &Request) -> Decision {
        decide(&self.service, &self.availability, request)
    }

    /// The same service while these backends are ejected.
    pub(crate) fn without(self, clusters: &[&str]) -> Self {
        let mut table = HealthTable::default();
        for cluster in clusters {
            let observation = Observation {
                backend: BackendId::of(cluster),
                class: ResponseClass::NotConnected,
                was_unavailable: false,
            };
            for _ in 0..3 {
                table.report(&self.health, observation, NOW);
            }
        }
        let availability = Availability::new(&table, &self.health, &self.availability, NOW);
        Self { availability, ..self }
    }

    /// The token of a session.
    pub(crate) fn token(&self, session: &Session) -> String {
        self.tokens.as_ref().unwrap().write(session, NONCE).unwrap()
    }

    /// The `GCLB` cookie of a session, as a client sends it.
    pub(crate) fn cookie(&self, session: &Session) -> String {
        format!("GCLB={}", self.token(session))
    }
}

impl Deref for TestService {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

/// An input of a decision that costs a host call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Random,
    Seed,
    ClientAddress,
    Path,
    Scheme,
    CorsPreflight,
    Header,
    FirstCookieLine,
    FurtherCookieLines,
    CookieLines,
}

/// A request. Records the inputs that a decision reads.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) now: Millis,
    pub(crate) random: u64,
    pub(crate) seed: Option<u64>,
    pub(crate) client_address: Option<Vec<u8>>,
    pub(crate) path: Vec<u8>,
    pub(crate) https: bool,
    pub(crate) cors_preflight: bool,
    pub(crate) header: Option<(&'static str, Vec<u8>)>,
    pub(crate) cookie_lines: Vec<Vec<u8>>,
    pub(crate) asked: RefCell<Vec<Question>>,
}

impl Default for Request {
    /// A request for `/` over http, without cookies and headers.
    fn default() -> Self {
        Self {
            now: NOW,
            random: 1,
            seed: Some(2),
            client_address: None,
            path: b"/".to_vec(),
            https: false,
            cors_preflight: false,
            header: None,
            cookie_lines: Vec::new(),
            asked: RefCell::default(),
        }
    }
}

impl Request {
    /// The inputs read so far, in order.
    pub(crate) fn asked(&self) -> Vec<Question> {
        self.asked.borrow().clone()
    }

    fn ask(&self, question: Question) {
        self.asked.borrow_mut().push(question);
    }
}

impl DecisionInputs for Request {
    fn now(&self) -> Millis {
        self.now
    }

    fn random(&self) -> u64 {
        self.ask(Question::Random);
        self.random
    }

    fn seed(&self) -> Option<u64> {
        self.ask(Question::Seed);
        self.seed
    }

    fn client_address(&self) -> Option<Vec<u8>> {
        self.ask(Question::ClientAddress);
        self.client_address.clone()
    }

    fn path(&self) -> Vec<u8> {
        self.ask(Question::Path);
        self.path.clone()
    }

    fn is_https(&self) -> bool {
        self.ask(Question::Scheme);
        self.https
    }

    fn is_cors_preflight(&self) -> bool {
        self.ask(Question::CorsPreflight);
        self.cors_preflight
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.ask(Question::Header);
        self.header
            .as_ref()
            .filter(|(other, value)| *other == name && !value.is_empty())
            .map(|(_, value)| value.clone())
    }

    fn first_cookie_line(&self) -> Option<Vec<u8>> {
        self.ask(Question::FirstCookieLine);
        self.cookie_lines.first().cloned()
    }

    fn further_cookie_lines(&self) -> Vec<Vec<u8>> {
        self.ask(Question::FurtherCookieLines);
        self.cookie_lines.iter().skip(1).cloned().collect()
    }

    fn cookie_lines(&self) -> Vec<Vec<u8>> {
        self.ask(Question::CookieLines);
        self.cookie_lines.clone()
    }
}

/// A request with these cookies in one line. `random` is the value of all its random numbers.
pub(crate) fn request(now: Millis, random: u64, cookies: &str) -> Request {
    let cookie_lines = if cookies.is_empty() { Vec::new() } else { vec![cookies.as_bytes().to_vec()] };
    Request { now, random, seed: Some(mix(!random)), cookie_lines, ..Request::default() }
}

/// A request with one header.
pub(crate) fn request_with_header(name: &'static str, value: &[u8]) -> Request {
    Request { header: Some((name, value.to_vec())), ..Request::default() }
}

/// How a request is forwarded.
pub(crate) fn forwarded(decision: &Decision) -> &Forward {
    match &decision.routing {
        Routing::Forward(forward) => forward,
        Routing::Reject(status) => panic!("rejected with {status}"),
    }
}

/// The name of the cluster that a request goes to.
pub(crate) fn cluster(decision: &Decision) -> String {
    forwarded(decision).backend.as_ref().unwrap().cluster().to_owned()
}

/// The session whose token the client receives, if it receives one.
pub(crate) fn sent_session(decision: &Decision) -> Option<Session> {
    match &forwarded(decision).session {
        SessionUpdate::New(session) | SessionUpdate::Changed(session) => Some(*session),
        SessionUpdate::None | SessionUpdate::Unchanged(_) | SessionUpdate::NewKey { .. } => None,
    }
}

/// A session on this backend that begins now.
pub(crate) fn begin(now: Millis, cluster: &str) -> Session {
    Session::new(now, 1, BackendId::of(cluster), false)
}

/// A client that keeps its cookie, as a browser does.
pub(crate) struct Client {
    pub(crate) cookie: String,
    pub(crate) cluster: String,
}

impl Client {
    /// Sends a first request, which begins a session.
    pub(crate) fn begin(service: &TestService, now: Millis, random: u64) -> Self {
        let decision = service.decide(&request(now, random, ""));
        assert_eq!(decision.outcome, Outcome::Assigned);
        Self { cookie: service.cookie(&sent_session(&decision).unwrap()), cluster: cluster(&decision) }
    }

    /// Many clients that begin at the same time.
    pub(crate) fn crowd(service: &TestService, count: u64) -> Vec<Self> {
        randoms(count).map(|random| Self::begin(service, NOW, random)).collect()
    }

    /// Sends another request, and keeps the cookie of the response.
    pub(crate) fn ask(&mut self, service: &TestService, now: Millis, random: u64) -> Outcome {
        let decision = service.decide(&request(now, random, &self.cookie));
        self.cluster = cluster(&decision);
        if let Some(session) = sent_session(&decision) {
            self.cookie = service.cookie(&session);
        }
        decision.outcome
    }
}

/// Numbers that are uniform over 64 bits, and the same in every run.
pub(crate) fn randoms(count: u64) -> impl Iterator<Item = u64> {
    (1..=count).map(|index| mix(index.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// The p-value of the hypothesis that the spread follows the weights. The spread must not contain a cluster of weight
/// 0.
pub(crate) fn p_value(clusters: impl IntoIterator<Item = impl AsRef<str>>, weights: &[(&str, u32)]) -> f64 {
    let mut counts = vec![0; weights.len()];
    for cluster in clusters {
        let cluster = cluster.as_ref();
        let index = weights.iter().position(|(name, _)| *name == cluster);
        counts[index.unwrap_or_else(|| panic!("{cluster} is none of {weights:?}"))] += 1;
    }
    let weights: Vec<f64> = weights.iter().map(|(_, weight)| f64::from(*weight)).collect();
    harness::chi_squared(&counts, &weights)
}
