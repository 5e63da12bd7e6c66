//! The functions that `fuzz/` runs, one for each target. Each function panics if a property does not hold that must
//! hold for every input. Only the feature `fuzzing` compiles this file.

#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::missing_panics_doc, reason = "each function panics if a property does not hold")]

use std::net::SocketAddr;
use std::rc::Rc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::balance::BackendId;
use crate::balance::hash::{hash, mix};
use crate::config::Config;
use crate::headers::cookie_envelope::wrap_cookies;
use crate::headers::{HeaderMutation, cookie};
use crate::health::entry::ENTRY_LEN;
use crate::health::table::{CheckResult, Reported};
use crate::health::{Availability, HealthTable, Observation, ResponseClass};
use crate::routing::Service;
use crate::session::key::Key;
use crate::session::token::{Carrier, Layout, MAX_LEN, MAX_VALUE_LEN, NONCE_LEN, TokenCodec};
use crate::session::{Millis, Session};

const SECRET: &[u8] = b" 32 bytes that nobody shall see!";
const NONCE: [u8; NONCE_LEN] = [7; NONCE_LEN];
/// A time in 2023.
const NOW: Millis = 1_700_000_000_000;

/// Randomness for the whole filter: the same in every run.
pub(crate) fn fill_with_randomness(bytes: &mut [u8]) {
    thread_local!(static STATE: std::cell::Cell<u64> = const { std::cell::Cell::new(1) });
    for byte in bytes {
        let state = STATE.get().wrapping_add(1);
        STATE.set(state);
        *byte = mix(state).to_be_bytes()[0];
    }
}

/// A kind of token: with keys or without, and its optional fields.
#[derive(Clone, Copy, Debug)]
pub struct Kind(pub u8);

impl Kind {
    const fn layout(self) -> Layout {
        Layout { last_use: self.0 & 2 != 0, endpoint: self.0 & 4 != 0 }
    }

    fn codec(self, service: &str, carrier: Carrier<'_>) -> TokenCodec {
        let keys: Rc<[Key]> =
            if self.0 & 1 == 0 { [].into() } else { [Key::new("k".to_owned(), SECRET)].into() };
        TokenCodec::new(keys, Rc::default(), service, carrier, self.layout())
    }

    /// The parts of a session that a token of this kind keeps.
    fn kept(self, session: Session) -> Session {
        let Layout { last_use, endpoint } = self.layout();
        let last_use = last_use.then(|| session.last_use.unwrap_or(session.start));
        Session { last_use, endpoint: session.endpoint.filter(|_| endpoint), ..session }
    }
}

/// A session with arbitrary numbers.
#[must_use]
pub fn session(numbers: [u64; 4], endpoint: Option<SocketAddr>, https: bool) -> AnySession {
    let [start, last_use, seed, backend] = numbers;
    let last_use = Some(last_use).filter(|last_use| last_use % 2 == 0);
    AnySession(Session { start, last_use, seed, backend: BackendId::from_bits(backend), endpoint, https })
}

/// A session with arbitrary numbers.
#[derive(Clone, Copy, Debug)]
pub struct AnySession(Session);

/// A token opens to its session, and only for the service and carrier that made it. Any other text does not open.
pub fn sealed_token(kind: Kind, session: AnySession, flipped: usize) {
    let codec = kind.codec("shop", Carrier::Cookie("GCLB"));
    let text = codec.write(&session.0, NONCE).expect("a token");
    assert!(text.len() <= MAX_LEN && codec.may_be_token(text.as_bytes()), "{text}");
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{text}");
    for _ in ["opened", "cached"] {
        assert_eq!(codec.read(text.as_bytes()), Some(kind.kept(session.0)), "{text}");
    }
    for (service, carrier) in [
        ("blog", Carrier::Cookie("GCLB")),
        ("shop", Carrier::Cookie("OTHER")),
        ("shop", Carrier::Header("GCLB")),
        ("shop", Carrier::CookieEnvelope("GCLB")),
    ] {
        assert_eq!(kind.codec(service, carrier).read(text.as_bytes()), None, "{service} {carrier:?}");
    }
    let mut other = text.into_bytes();
    let index = flipped % other.len();
    other[index] ^= 1 << (flipped % 7);
    assert_eq!(codec.read(&other), None, "{}", String::from_utf8_lossy(&other));
}

/// Any text is either not a token, or the session in it can be written and read again without a change.
pub fn any_token(kind: Kind, text: &[u8]) {
    let codec = kind.codec("shop", Carrier::Cookie("GCLB"));
    check_reading(kind, &codec, text);
    // A client can compute the checksum, so any payload may arrive.
    if kind.0 & 1 == 0 {
        let bytes = [&[2], text].concat();
        let binding = b"\x02shop\0cookie\0GCLB\0";
        let checksum = hash(&[binding, bytes.as_slice()].concat()).to_be_bytes();
        let text = BASE64_URL_SAFE_NO_PAD.encode([bytes.as_slice(), &checksum].concat());
        check_reading(kind, &codec, text.as_bytes());
    }
}

fn check_reading(kind: Kind, codec: &TokenCodec, text: &[u8]) {
    let session = codec.read(text);
    assert_eq!(codec.read(text), session, "the cache changes nothing");
    if let Some(session) = session {
        assert!(codec.may_be_token(text));
        let again = codec.write(&session, NONCE).expect("a token");
        assert_eq!(codec.read(again.as_bytes()), Some(kind.kept(session)));
    }
}

/// An envelope returns its value, byte for byte. A changed text is not an envelope. Any text can be read as an envelope
/// without a panic.
pub fn envelope(kind: Kind, session: AnySession, value: &[u8], flipped: usize) {
    let codec = kind.codec("shop", Carrier::HeaderEnvelope("mcp-session-id"));
    codec.read_envelope(value);
    let value = value.get(..MAX_VALUE_LEN).unwrap_or(value);
    let text = codec.write_envelope(&session.0, value, NONCE).expect("an envelope");
    let is_header_value = value.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control());
    let expected = (!value.is_empty() && is_header_value).then(|| (kind.kept(session.0), value.to_vec()));
    for _ in ["opened", "cached"] {
        assert_eq!(codec.read_envelope(text.as_bytes()), expected, "{text}");
    }
    let elsewhere = kind.codec("shop", Carrier::CookieEnvelope("mcp-session-id"));
    assert_eq!(elsewhere.read_envelope(text.as_bytes()), None, "{text}");
    let mut other = text.into_bytes();
    let index = flipped % other.len();
    other[index] ^= 1 << (flipped % 7);
    assert_eq!(codec.read_envelope(&other), None, "{}", String::from_utf8_lossy(&other));
}

/// Reading, hiding and replacing the cookie `SID` leaves every other cookie as it is, byte for byte.
pub fn cookie_header(lines: &[Vec<u8>]) {
    let pairs = |line: &[u8]| line.split(|byte| *byte == b';').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let is_ours = |pair: &[u8]| cookie::values(pair, "SID").next().is_some();
    let (all, refs) = (lines.join(&b"; "[..]), lines.iter().map(Vec::as_slice).collect::<Vec<_>>());

    let values: Vec<Vec<u8>> = cookie::values(&all, "SID").map(<[u8]>::to_vec).collect();
    let of_lines: Vec<Vec<u8>> =
        refs.iter().flat_map(|line| cookie::values(line, "SID")).map(<[u8]>::to_vec).collect();
    assert_eq!(values, of_lines, "several lines have the same cookies as one");

    let trimmed = |pairs: Vec<Vec<u8>>| -> Vec<Vec<u8>> {
        let trimmed = pairs.into_iter().map(|pair| pair.trim_ascii().to_vec());
        trimmed.filter(|pair| !pair.is_empty()).collect()
    };
    let others: Vec<Vec<u8>> = trimmed(pairs(&all)).into_iter().filter(|pair| !is_ours(pair)).collect();
    let left = cookie::without(&refs, &["SID".to_owned()]);
    assert_eq!(left.map_or(Vec::new(), |line| trimmed(pairs(&line))), others);

    assert_eq!(cookie::replaced(lines, "SID", |_| None), None);
    let replaced = cookie::replaced(lines, "SID", |_| Some(b"new".to_vec()));
    assert_eq!(replaced.is_some(), !values.is_empty());
    let Some(replaced) = replaced else {
        return;
    };
    let (before, after) = (pairs(&all), pairs(&replaced));
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        if is_ours(before) {
            assert_eq!(cookie::values(after, "SID").collect::<Vec<_>>(), [b"new"]);
        } else {
            assert_eq!(before, after);
        }
    }
}

/// In the `Set-Cookie` lines of an application, only values of `SID` change. When a browser sends them back, the
/// application receives its own values.
pub fn set_cookie(kind: Kind, session: AnySession, lines: Vec<Vec<u8>>) {
    let codec = kind.codec("shop", Carrier::CookieEnvelope("SID"));
    let response: Vec<_> = lines.into_iter().map(|line| ("set-cookie".to_owned(), line)).collect();
    let wrap = |value: &[u8]| codec.write_envelope(&session.0, value, NONCE);
    let wrapped = wrap_cookies("SID", &response, NOW, wrap);
    let mut mutations = wrapped.mutations.into_iter();
    let Some(first) = mutations.next() else {
        return;
    };
    assert_eq!(first, HeaderMutation::Remove("set-cookie".to_owned()));
    for (_, before) in &response {
        let Some(HeaderMutation::Add(name, after)) = mutations.next() else {
            panic!("the line {:?} is gone", String::from_utf8_lossy(before));
        };
        assert_eq!(name, "set-cookie");
        if after != *before {
            check_wrapped(&codec, before, &after);
        }
    }
    assert!(
        mutations.all(|mutation| matches!(mutation, HeaderMutation::Set(name, _) if name == "cache-control"))
    );
}

fn check_wrapped(codec: &TokenCodec, before: &[u8], after: &[u8]) {
    let pair = |line: &[u8]| line.split(|byte| *byte == b';').next().unwrap_or_default().to_vec();
    let (pair_before, pair_after) = (pair(before), pair(after));
    assert_eq!(before[pair_before.len()..], after[pair_after.len()..], "the attributes");
    let value = |pair: &[u8]| {
        let start = pair.iter().position(|byte| *byte == b'=').expect("a value") + 1;
        (pair[..start].to_vec(), pair[start..].trim_ascii().to_vec())
    };
    let ((name_before, value_before), (name_after, value_after)) = (value(&pair_before), value(&pair_after));
    assert_eq!(name_before, name_after);
    assert!(name_after.len() + value_after.len() <= 4096 + name_before.len(), "browsers keep the cookie");
    if value_before.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return;
    }
    let sent = [b"a=1; SID=", value_after.as_slice(), b"; b=2"].concat();
    let opened = cookie::replaced(&[sent], "SID", |text| Some(codec.read_envelope(text)?.1));
    assert_eq!(opened, Some([b"a=1; SID=", value_before.as_slice(), b"; b=2"].concat()));
}

/// Any bytes are either refused with one line that shows no secret, or are a valid configuration.
pub fn configuration(bytes: &[u8]) {
    let config = match Config::parse(bytes, &|_| None) {
        Ok(config) => config,
        Err(error) => {
            check_error(&error.to_string(), bytes);
            return;
        }
    };
    let line = [&[config.summary()], config.warnings().as_slice()].concat().join("; ");
    assert!(!line.contains('\n'), "{line}");
    assert!(!config.services.is_empty());
    let keys: Rc<[Key]> = config.keys.into();
    let cache = Rc::default();
    for service in config.services {
        let pins_clusters = service.pin.has_cluster();
        let service = Service::new(service, &keys, &cache);
        assert_eq!(service.backends().candidates().by_weight(NOW).is_some(), pins_clusters);
        assert_eq!(service.backends().candidates().by_hash(NOW).is_some(), pins_clusters);
    }
}

/// The same configuration as a Struct and as JSON text has the same effect, or is refused in both forms.
pub fn same_configuration(json: &[u8], as_struct: &[u8]) {
    let parse = |bytes: &[u8]| Config::parse(bytes, &|_| None);
    match (parse(json), parse(as_struct)) {
        (Ok(one), Ok(other)) => {
            assert_eq!((one.summary(), one.warnings()), (other.summary(), other.warnings()));
        }
        (Err(_), Err(_)) => {}
        (one, other) => panic!("{:?} as JSON, {:?} as a Struct", one.err(), other.err()),
    }
}

fn check_error(error: &str, bytes: &[u8]) {
    assert!(error.starts_with("config error at ") && error.contains("; allowed: "), "{error}");
    assert!(error.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{error}");
    let Ok(document) = serde_json::from_slice::<serde_json::Value>(bytes) else {
        return;
    };
    let Some(keys) = document.get("keys").and_then(serde_json::Value::as_array) else {
        return;
    };
    for secret in keys.iter().filter_map(|key| key.get("secret")?.as_str()) {
        // A shorter text may be part of the error message by chance.
        let is_long = secret.len() >= 32;
        assert!(!is_long || !error.contains(secret), "{error}");
    }
}

/// Any bytes can be read as a health table. Reports and checks change the table only if they say so, and at least one
/// backend always takes requests.
pub fn health_table(bytes: &[u8], steps: &[(u8, u8, u16)]) {
    let config = br#"{"backends":["a","b",{"cluster":"c","backup":true}],"healthCheck":{},
        "outlierDetection":{"consecutiveGatewayErrors":2,"maxEjectionPercent":50}}"#;
    let service = Config::parse(config, &|_| None).expect("a configuration").services.remove(0);
    let service = Service::new(service, &[].into(), &Rc::default());
    let (policy, mut now) = (&service.health, NOW);
    let mut table = HealthTable::from_bytes(bytes);
    for (what, backend, wait) in steps {
        now += Millis::from(*wait) * 100;
        let backend = BackendId::of(["a", "b", "c", "gone"][usize::from(backend % 4)]);
        match what % 10 {
            8 => check(&mut table, &service, backend, CheckResult::Fails, now),
            9 => check(&mut table, &service, backend, CheckResult::Passes { since: now - 1 }, now),
            class => {
                use ResponseClass::{
                    Answered, AnsweredElsewhere, GatewayError, NoHost, NotConnected, Nothing,
                };
                let classes = [Nothing, Answered, NotConnected, NoHost, GatewayError, AnsweredElsewhere];
                let class = classes[usize::from(class) % classes.len()];
                let observation = Observation { backend, class, was_unavailable: what & 128 != 0 };
                let would_change = table.would_change(policy, observation, now);
                assert_eq!(table.report(policy, observation, now) != Reported::Nothing, would_change);
            }
        }
        table.prune(now);
        let encoded = table.to_bytes();
        assert_eq!(HealthTable::from_bytes(&encoded), table, "other workers read the same table");
        assert!(encoded.len() <= bytes.len() + 8 * ENTRY_LEN, "only backends that were reported come in");
        let last = Availability::all_available(service.backends());
        let availability = Availability::new(&table, policy, &last, now);
        let chosen = availability.candidates().by_weight(mix(now)).expect("somebody takes requests");
        assert!(availability.takes_requests(chosen.id()));
    }
}

fn check(table: &mut HealthTable, service: &Service, backend: BackendId, result: CheckResult, now: Millis) {
    let would_change = table.checks_would_change(&service.health, backend, result, now);
    assert_eq!(table.report_checks(&service.health, backend, result, now), would_change);
}
