//! `sessionAffinity.cookie`, with the rules that browsers enforce (draft-ietf-httpbis-rfc6265bis): a cookie they
//! would drop is refused here, where someone reads the error.

use config_reader::Field;

use super::headers::is_token;
use crate::cookie::{Cookie, SameSite, Secure};

const FIELDS: [&str; 8] =
    ["name", "path", "domain", "secure", "httpOnly", "sameSite", "partitioned", "hideFromUpstream"];

/// Reads the object; what it leaves out has its default.
pub fn read(field: Field<'_>) -> Cookie {
    let object = field.object(&FIELDS);
    let mut cookie = Cookie::default();
    let allowed = "a cookie name (RFC 6265 token, at most 128 bytes)";
    if let Some(name) = object.string("name", is_cookie_name, allowed) {
        name.clone_into(&mut cookie.name);
    }
    let allowed = "a path that starts with / (visible ASCII without ; ? and #, at most 1024 bytes)";
    if let Some(path) = object.string("path", is_path, allowed) {
        path.clone_into(&mut cookie.path);
    }
    let allowed = "a host name such as example.com, without a leading dot";
    cookie.domain = object.string("domain", is_host_name, allowed).map(str::to_owned);
    cookie.secure = match object.word("secure", &["AUTO", "ALWAYS", "NEVER"]) {
        1 => Secure::Always,
        2 => Secure::Never,
        _ => Secure::Auto,
    };
    cookie.http_only = object.boolean("httpOnly", true);
    cookie.same_site = match object.word("sameSite", &["LAX", "STRICT", "NONE", "UNSET"]) {
        1 => SameSite::Strict,
        2 => SameSite::None,
        3 => SameSite::Unset,
        _ => SameSite::Lax,
    };
    cookie.partitioned = object.boolean("partitioned", false);
    cookie.hide_from_upstream = object.boolean("hideFromUpstream", false);
    for BrowserRule { because, applies, field, allowed, holds } in BROWSER_RULES {
        if applies(&cookie) && !holds(&cookie) {
            let wrong = format_args!("browsers drop a cookie with {because} unless this is {allowed}");
            object.refuse_field(field, &wrong, allowed);
        }
    }
    cookie
}

fn is_cookie_name(text: &str) -> bool {
    text.len() <= 128 && is_token(text)
}

fn is_path(text: &str) -> bool {
    super::is_request_path(text) && !text.bytes().any(|byte| b";?#".contains(&byte))
}

struct BrowserRule {
    because: &'static str,
    applies: fn(&Cookie) -> bool,
    field: &'static str,
    allowed: &'static str,
    holds: fn(&Cookie) -> bool,
}

impl BrowserRule {
    const fn secure(because: &'static str, applies: fn(&Cookie) -> bool) -> Self {
        let holds = |cookie: &Cookie| cookie.secure == Secure::Always;
        Self { because, applies, field: "secure", allowed: "ALWAYS", holds }
    }
}

/// What browsers demand of cookies of certain kinds.
const BROWSER_RULES: [BrowserRule; 8] = [
    BrowserRule::secure("the prefix __Host-", is_host),
    BrowserRule::secure("the prefix __Secure-", |cookie| has_prefix(cookie, "__Secure-")),
    BrowserRule::secure("the prefix __Http-", |cookie| has_prefix(cookie, "__Http-")),
    BrowserRule::secure("sameSite NONE", |cookie| cookie.same_site == SameSite::None),
    BrowserRule::secure("partitioned true", |cookie| cookie.partitioned),
    BrowserRule {
        because: "the prefix __Host-",
        applies: is_host,
        field: "path",
        allowed: "/",
        holds: |cookie| cookie.path == "/",
    },
    BrowserRule {
        because: "the prefix __Host-",
        applies: is_host,
        field: "domain",
        allowed: "left out",
        holds: |cookie| cookie.domain.is_none(),
    },
    BrowserRule {
        because: "the prefix __Http- or __Host-Http-",
        applies: |cookie| has_prefix(cookie, "__Http-") || has_prefix(cookie, "__Host-Http-"),
        field: "httpOnly",
        allowed: "true",
        holds: |cookie| cookie.http_only,
    },
];

fn is_host(cookie: &Cookie) -> bool {
    has_prefix(cookie, "__Host-")
}

/// As browsers match prefixes, in any case.
#[inline(never)]
fn has_prefix(cookie: &Cookie, prefix: &str) -> bool {
    cookie.name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Labels of letters, digits and inner hyphens (RFC 1123, section 2.1).
fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}
