//! Envoys of one configuration, each with the backends in an order of its own, and clients that ask them.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use serde_json::{Value, json};
use session_affinity::affinity::{Decision, Facts, Part, Verdict};
use session_affinity::config::Config;
use session_affinity::hash::mix;
use session_affinity::health::View;
use session_affinity::service::{Service, Services};

/// Some moment in 2023.
const NOW: u64 = 1_700_000_000_000;
/// So many Envoys each client asks.
const ASKED: u32 = 2;
/// No backend at all.
const NOWHERE: u32 = u32::MAX;

/// What ties a client to its backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// A cookie that holds the session.
    GeneratedCookie,
    /// Its address.
    ClientIp,
}

impl Affinity {
    /// As in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GeneratedCookie => "GENERATED_COOKIE",
            Self::ClientIp => "CLIENT_IP",
        }
    }
}

/// Envoys with the same backends, from `first` up to, but not with, `end`.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// What ties clients.
    pub affinity: Affinity,
    /// How many there are.
    pub envoys: u32,
    /// The number of the first backend.
    pub first: u32,
    /// The number after that of the last.
    pub end: u32,
    /// The weight of every second backend; the others have 1.
    pub every_second: u32,
}

/// What each client keeps, and where it went first.
pub struct Clients(Vec<(String, u32)>);

/// Where each client went, once for each Envoy that it asked.
pub struct Answers([Vec<u32>; ASKED as usize]);

impl Fleet {
    /// So many clients' first requests.
    pub fn begin(&self, count: u32) -> Clients {
        let services = self.envoy(0);
        let Some(service) = services.all().first() else { return Clients(Vec::new()) };
        let view = View::healthy(&service.backends);
        Clients((0..count).map(|index| self.first_request(service, &view, index)).collect())
    }

    fn first_request(&self, service: &Service, view: &View, index: u32) -> (String, u32) {
        let random = mix(u64::from(index) << 32 | 0x5eed);
        let address = address(index);
        let facts =
            Facts { now: NOW, random, client_address: address.as_bytes(), path: b"/", ..Facts::default() };
        let decision = service.decide(&facts, view);
        let kept = match (&decision.verdict, &service.tokens, self.affinity) {
            (Verdict::Forward(to), Some(tokens), Affinity::GeneratedCookie) => {
                let nonce = std::array::from_fn(|byte| mix(random ^ (byte as u64)).to_le_bytes()[0]);
                match &to.part {
                    Part::First(session) => format!("GCLB={}", tokens.write(session, nonce)),
                    _ => String::new(),
                }
            }
            _ => address,
        };
        (kept, number(&decision))
    }

    /// Every client asks several Envoys at the same time.
    pub fn ask(&self, clients: &Clients) -> Answers {
        let answers: [Vec<AtomicU32>; ASKED as usize] =
            std::array::from_fn(|_| clients.0.iter().map(|_| AtomicU32::new(NOWHERE)).collect());
        let next = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    loop {
                        let envoy = next.fetch_add(1, Ordering::Relaxed);
                        if envoy >= self.envoys {
                            break;
                        }
                        self.serve(envoy, clients, &answers);
                    }
                });
            }
        });
        Answers(answers.map(|answers| answers.into_iter().map(AtomicU32::into_inner).collect()))
    }

    /// One Envoy answers all who come to it: a client's n-th question goes to the n-th Envoy after its first.
    fn serve(&self, envoy: u32, clients: &Clients, answers: &[Vec<AtomicU32>]) {
        let services = self.envoy(envoy);
        let Some(service) = services.all().first() else { return };
        let view = View::healthy(&service.backends);
        for (question, answers) in (0..).zip(answers) {
            let begin = (envoy + self.envoys - question % self.envoys) % self.envoys;
            let each = usize::try_from(self.envoys).unwrap_or(usize::MAX);
            let comers = clients.0.iter().zip(answers).skip(begin as usize).step_by(each);
            for (index, ((kept, _), answer)) in (0_u64..).zip(comers) {
                let random = mix(index ^ u64::from(envoy) << 32);
                let facts = Facts { now: NOW + 1_000, random, path: b"/", ..Facts::default() };
                let facts = match self.affinity {
                    Affinity::GeneratedCookie => Facts { cookies: kept.as_bytes(), ..facts },
                    Affinity::ClientIp => Facts { client_address: kept.as_bytes(), ..facts },
                };
                answer.store(number(&service.decide(&facts, &view)), Ordering::Relaxed);
            }
        }
    }

    /// One of them.
    fn envoy(&self, index: u32) -> Services {
        let mut numbers: Vec<u32> = (self.first..self.end).collect();
        numbers.sort_by_key(|number| mix(u64::from(*number) ^ u64::from(index) << 32));
        let weight = |number: u32| if number.is_multiple_of(2) { 1 } else { self.every_second };
        let backends: Vec<Value> = numbers
            .iter()
            .map(|&number| json!({ "cluster": format!("backend-{number}"), "weight": weight(number) }))
            .collect();
        let config = json!({
            "sessionAffinity": { "affinityType": self.affinity.name() },
            "backends": backends,
            "keys": [{ "id": "k1", "secret": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" }],
        });
        let parsed = Config::parse(config.to_string().as_bytes(), &|_| None);
        parsed.map_or_else(|_| Services::default(), |config| Services::new(config.services, config.keys))
    }
}

fn address(client: u32) -> String {
    format!("{}:40000", Ipv4Addr::from_bits(0x0a00_0000 | client))
}

/// The number of the backend that a request goes to.
fn number(decision: &Decision<'_>) -> u32 {
    let Verdict::Forward(to) = &decision.verdict else { return NOWHERE };
    let number = to.backend.and_then(|backend| backend.cluster().strip_prefix("backend-")?.parse().ok());
    number.unwrap_or(NOWHERE)
}

impl Clients {
    /// How many were first sent to such a backend.
    pub fn on(&self, which: impl Fn(u32) -> bool) -> usize {
        self.0.iter().filter(|(_, backend)| which(*backend)).count()
    }

    /// How many were sent elsewhere.
    pub fn moved(&self, answers: &Answers) -> usize {
        self.0.iter().zip(&answers.0[0]).filter(|((_, before), after)| before != *after).count()
    }

    /// How many clients the fullest backend has, as a multiple of an equal share of `backends`.
    pub fn fullest(&self, answers: &Answers, backends: u32) -> f64 {
        let mut counts = std::collections::HashMap::new();
        for backend in &answers.0[0] {
            *counts.entry(*backend).or_insert(0_u32) += 1;
        }
        let fullest = counts.into_values().max().unwrap_or(0);
        let all = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        f64::from(fullest) * f64::from(backends) / f64::from(all.max(1))
    }
}

impl Answers {
    /// How many clients were sent to different places at the same time.
    pub fn disagreements(&self) -> usize {
        let [one, other] = &self.0;
        one.iter().zip(other).filter(|(one, other)| one != other || **one == NOWHERE).count()
    }
}
