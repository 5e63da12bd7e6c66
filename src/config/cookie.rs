//! `sessionAffinity.cookie`, with the rules that browsers enforce (draft-ietf-httpbis-rfc6265bis): a cookie they
//! would drop is refused here, where someone reads the error.

use super::headers::is_token;
use super::reader::{ConfigError, Field};
use crate::cookie::{Cookie, SameSite, Secure};

const FIELDS: [&str; 8] =
    ["name", "path", "domain", "secure", "httpOnly", "sameSite", "partitioned", "hideFromUpstream"];

/// Reads the object; what it leaves out has its default.
pub fn read(field: Field<'_>) -> Result<Cookie, ConfigError> {
    let object = field.object(&FIELDS)?;
    let mut cookie = Cookie::default();
    if let Some(field) = object.get("name") {
        let legal = |name: &str| name.len() <= 128 && is_token(name);
        cookie.name =
            String::from(field.string_that(legal, "a cookie name (RFC 6265 token, at most 128 bytes)")?);
    }
    if let Some(field) = object.get("path") {
        let legal = |path: &str| {
            path.len() <= 1024
                && path.starts_with('/')
                && path.bytes().all(|byte| byte.is_ascii_graphic() && !b";?#".contains(&byte))
        };
        let allowed = "a path that starts with / (visible ASCII without ; ? and #, at most 1024 bytes)";
        cookie.path = String::from(field.string_that(legal, allowed)?);
    }
    if let Some(field) = object.get("domain") {
        let allowed = "a host name such as example.com, without a leading dot";
        cookie.domain = Some(field.string_that(is_host_name, allowed)?.to_owned());
    }
    if let Some(field) = object.get("secure") {
        cookie.secure =
            field.one_of(&[("AUTO", Secure::Auto), ("ALWAYS", Secure::Always), ("NEVER", Secure::Never)])?;
    }
    if let Some(field) = object.get("httpOnly") {
        cookie.http_only = field.boolean()?;
    }
    if let Some(field) = object.get("sameSite") {
        cookie.same_site = field.one_of(&[
            ("LAX", SameSite::Lax),
            ("STRICT", SameSite::Strict),
            ("NONE", SameSite::None),
            ("UNSET", SameSite::Unset),
        ])?;
    }
    if let Some(field) = object.get("partitioned") {
        cookie.partitioned = field.boolean()?;
    }
    if let Some(field) = object.get("hideFromUpstream") {
        cookie.hide_from_upstream = field.boolean()?;
    }
    let broken = browser_rules(&cookie).into_iter().find(|rule| rule.applies && !rule.holds);
    match broken {
        Some(rule) => {
            let given = object.get(rule.field);
            let wrong =
                format!("browsers drop a cookie with {} unless this is {}", rule.because, rule.allowed);
            Err(match given {
                Some(field) => field.error(&wrong, rule.allowed),
                None => super::reader::error(&object.path_of(rule.field), &wrong, rule.allowed, None),
            })
        }
        None => Ok(cookie),
    }
}

struct BrowserRule {
    because: &'static str,
    applies: bool,
    holds: bool,
    field: &'static str,
    allowed: &'static str,
}

/// What browsers demand of cookies of certain kinds. Prefixes are matched as browsers match them, in any case.
fn browser_rules(cookie: &Cookie) -> Vec<BrowserRule> {
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
    vec![
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
