//! What a response says of a session.

use serde_json::{Value, json};
use session_affinity::announcement::{HeaderEdit, News};
use session_affinity::session::Session;
use session_affinity::token::NONCE_LEN;

use crate::support::{NOW, begin, service};

/// The edits to a response with these headers, as text; the token is `…`.
fn edits(affinity: &Value, https: bool, age: u64, response: &[(&str, &str)]) -> Vec<String> {
    let service = service(&json!({ "sessionAffinity": affinity, "backends": ["a"] }));
    let session = Session { https, ..begin(NOW, "a") };
    let token =
        service.tokens.as_ref().map(|tokens| tokens.write(&session, [7; NONCE_LEN])).unwrap_or_default();
    let response: Vec<_> = response.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let text = |value: Vec<u8>| String::from_utf8(value).unwrap().replace(&token, "…");
    let show = |edit| match edit {
        HeaderEdit::Add(name, value) => format!("add {name}: {}", text(value)),
        HeaderEdit::Set(name, value) => format!("set {name}: {}", text(value)),
        HeaderEdit::Remove(name) => format!("remove {name}"),
    };
    let edits = service.announce(News::Session(session, [7; NONCE_LEN]), NOW + age, response.iter().copied());
    edits.into_iter().map(show).collect()
}

fn generated_cookie() -> Value {
    json!({ "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": 50 })
}

#[test]
fn a_session_is_told_in_a_cookie_that_no_shared_cache_keeps() {
    assert_eq!(
        edits(&generated_cookie(), false, 0, &[]),
        ["add set-cookie: GCLB=…; Path=/; HttpOnly; SameSite=Lax; Max-Age=50", "set cache-control: private",]
    );
    assert_eq!(
        edits(&generated_cookie(), true, 20_500, &[("cache-control", "no-store")]),
        ["add set-cookie: GCLB=…; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=30",]
    );
}

#[test]
fn fields_for_shared_caches_go_where_they_are() {
    let response = [
        ("Surrogate-Control", "max-age=9"),
        ("surrogate-control", "max-age=8"),
        ("cdn-cache-control", "public"),
        ("Cache-Control", "public"),
        ("cache-control", "max-age=1"),
        ("x-surrogate-control", "1"),
    ];
    assert_eq!(
        edits(&json!({ "affinityType": "GENERATED_COOKIE" }), false, 0, &response),
        [
            "add set-cookie: GCLB=…; Path=/; HttpOnly; SameSite=Lax",
            "set cache-control: private, max-age=1",
            "remove surrogate-control",
            "remove cdn-cache-control",
        ]
    );
}

#[test]
fn the_applications_word_on_our_cookie_stands() {
    for line in ["GCLB=mine", "GCLB=; Max-Age=0", "GCLB = x; Path=/"] {
        let response = [("set-cookie", "a=1"), ("Set-Cookie", line), ("cache-control", "public")];
        assert_eq!(edits(&generated_cookie(), false, 0, &response), [""; 0], "{line}");
    }
    for line in ["a=1", "gclb=x", "GCLB2=x", "a=GCLB=x", "GCLB"] {
        let response = [("set-cookie", line), ("cache-control", "private")];
        assert_eq!(edits(&generated_cookie(), false, 0, &response).len(), 1, "{line}");
    }
}

#[test]
fn a_service_without_tokens_tells_nothing() {
    for affinity in [json!({ "affinityType": "NONE" }), json!({ "affinityType": "CLIENT_IP" })] {
        assert_eq!(edits(&affinity, false, 0, &[("cache-control", "public")]), [""; 0]);
    }
}
