//! `sessionAffinity.cookie`, with the rules that browsers enforce (draft-ietf-httpbis-rfc6265bis): a cookie they
//! would drop is refused here, where someone reads the error.

use config_reader::{Field, Result};

use super::headers::is_token;
use crate::cookie::{Cookie, SameSite, Secure};

const FIELDS: [&str; 8] =
    ["name", "path", "domain", "secure", "httpOnly", "sameSite", "partitioned", "hideFromUpstream"];

/// Reads the object; what it leaves out has its default.
pub fn read(field: Field<'_>) -> Result<Cookie> {
    let object = field.object(&FIELDS)?;
    let mut cookie = Cookie::default();
    let allowed = "a cookie name (RFC 6265 token, at most 128 bytes)";
    if let Some(name) = object.string("name", is_cookie_name, allowed)? {
        name.clone_into(&mut cookie.name);
    }
    let allowed = "a path that starts with / (visible ASCII without ; ? and #, at most 1024 bytes)";
    if let Some(path) = object.string("path", is_path, allowed)? {
        path.clone_into(&mut cookie.path);
    }
    let allowed = "a host name such as example.com, without a leading dot";
    cookie.domain = object.string("domain", is_host_name, allowed)?.map(str::to_owned);
    cookie.secure = match object.word("secure", &["AUTO", "ALWAYS", "NEVER"])? {
        1 => Secure::Always,
        2 => Secure::Never,
        _ => Secure::Auto,
    };
    cookie.http_only = object.boolean("httpOnly", true)?;
    cookie.same_site = match object.word("sameSite", &["LAX", "STRICT", "NONE", "UNSET"])? {
        1 => SameSite::Strict,
        2 => SameSite::None,
        3 => SameSite::Unset,
        _ => SameSite::Lax,
    };
    cookie.partitioned = object.boolean("partitioned", false)?;
    cookie.hide_from_upstream = object.boolean("hideFromUpstream", false)?;
    match browser_rules(&cookie).into_iter().find(|rule| rule.applies && !rule.holds) {
        Some(BrowserRule { because, field, allowed, .. }) => {
            let wrong = format_args!("browsers drop a cookie with {because} unless this is {allowed}");
            Err(object.field_error(field, &wrong, allowed))
        }
        None => Ok(cookie),
    }
}

fn is_cookie_name(text: &str) -> bool {
    text.len() <= 128 && is_token(text)
}

fn is_path(text: &str) -> bool {
    super::is_request_path(text) && !text.bytes().any(|byte| b";?#".contains(&byte))
}

struct BrowserRule {
    because: &'static str,
    applies: bool,
    holds: bool,
    field: &'static str,
    allowed: &'static str,
}

/// What browsers demand of cookies of certain kinds. Prefixes are matched as browsers match them, in any case.
fn browser_rules(cookie: &Cookie) -> [BrowserRule; 8] {
    let has_prefix = |prefix: &str| {
        cookie.name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let secure = |because, applies| BrowserRule {
        because,
        applies,
        holds: cookie.secure == Secure::Always,
        field: "secure",
        allowed: "ALWAYS",
    };
    let host = has_prefix("__Host-");
    [
        secure("the prefix __Host-", host),
        secure("the prefix __Secure-", has_prefix("__Secure-")),
        secure("the prefix __Http-", has_prefix("__Http-")),
        secure("sameSite NONE", cookie.same_site == SameSite::None),
        secure("partitioned true", cookie.partitioned),
        BrowserRule {
            because: "the prefix __Host-",
            applies: host,
            holds: cookie.path == "/",
            field: "path",
            allowed: "/",
        },
        BrowserRule {
            because: "the prefix __Host-",
            applies: host,
            holds: cookie.domain.is_none(),
            field: "domain",
            allowed: "left out",
        },
        BrowserRule {
            because: "the prefix __Http- or __Host-Http-",
            applies: has_prefix("__Http-") || has_prefix("__Host-Http-"),
            holds: cookie.http_only,
            field: "httpOnly",
            allowed: "true",
        },
    ]
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
