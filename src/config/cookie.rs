//! `sessionAffinity.cookie`. Browsers silently drop a cookie that breaks their rules (draft-ietf-httpbis-rfc6265bis).
//! Such a cookie is refused here, where someone reads the error.

use serde::Deserialize;

use super::error::Problem;
use super::headers::is_token;
use super::host_name::{ends_in_a_number, is_host_name};
use super::text::{Rule, Text};
use crate::cookie::{Cookie, SameSite, Secure};

/// The object as written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct CookieFields {
    name: Option<Text<CookieName>>,
    path: Option<Text<CookiePath>>,
    domain: Option<Text<CookieDomain>>,
    secure: Secure,
    http_only: Option<bool>,
    same_site: SameSite,
    partitioned: bool,
    hide_from_upstream: bool,
}

impl CookieFields {
    /// The cookie, with defaults for what is left out, if browsers take it.
    pub fn into_cookie(self) -> Result<Cookie, Problem> {
        let default = Cookie::default();
        let cookie = Cookie {
            name: self.name.map_or(default.name, Text::into_string),
            path: self.path.map_or(default.path, Text::into_string),
            domain: self.domain.map(Text::into_string),
            secure: self.secure,
            http_only: self.http_only.unwrap_or(default.http_only),
            same_site: self.same_site,
            partitioned: self.partitioned,
            hide_from_upstream: self.hide_from_upstream,
        };
        for BrowserRule { because, applies, field, allowed, holds } in BROWSER_RULES {
            if applies(&cookie) && !holds(&cookie) {
                let wrong = format!("browsers drop a cookie with {because} unless this is {allowed}");
                return Err(Problem::new(wrong, allowed).within(field));
            }
        }
        Ok(cookie)
    }
}

struct CookieName;

impl Rule for CookieName {
    const ALLOWED: &'static str = "a cookie name (RFC 6265 token, at most 128 bytes)";

    fn allows(text: &str) -> bool {
        text.len() <= 128 && is_token(text)
    }
}

struct CookiePath;

impl Rule for CookiePath {
    const ALLOWED: &'static str =
        "a path that starts with / (visible ASCII without ; ? and #, at most 1024 bytes)";

    fn allows(text: &str) -> bool {
        super::is_request_path(text) && !text.bytes().any(|byte| b";?#".contains(&byte))
    }
}

struct CookieDomain;

impl Rule for CookieDomain {
    const ALLOWED: &'static str =
        "a host name of two or more labels such as example.com, without a leading dot, and no IP address";

    /// Browsers take no domain that is an IP address or a single label: whole top-level domains would share the cookie.
    fn allows(text: &str) -> bool {
        is_host_name(text) && text.contains('.') && !ends_in_a_number(text)
    }
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

/// Browsers match prefixes in any case.
fn has_prefix(cookie: &Cookie, prefix: &str) -> bool {
    cookie.name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
