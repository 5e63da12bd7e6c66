//! The application's own session cookie: which `Set-Cookie` lines begin or change a session, and their wrapped values.

use super::cache_control::keep_out_of_shared_caches;
use super::set_cookie::sets;
use super::{HeaderMutation, HeaderPairs, cookie_date};
use crate::session::Millis;

/// Maximum length of a cookie in browsers: bytes of its name and value (draft-ietf-httpbis-rfc6265bis, section 5.6).
const MAX_COOKIE_LEN: usize = 4096;

/// The application's cookies of one response, wrapped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WrappedCookies {
    /// The changes to the response. Empty where no line is wrapped.
    pub(crate) mutations: Vec<HeaderMutation>,
    /// Whether a value stays unwrapped, because browsers would refuse the longer cookie.
    pub(crate) is_too_long: bool,
}

/// Whether a response sets the application's cookie to a value. Deleting the cookie does not.
pub(crate) fn sets_session(name: &str, response: &HeaderPairs, now: Millis) -> bool {
    response.iter().any(|(header, line)| header == "set-cookie" && session_value(line, name, now).is_some())
}

/// Wraps the value of each `Set-Cookie` line with this name by `wrap`. The rest of the line stays unchanged. Lines that
/// delete the cookie stay unchanged too.
pub(crate) fn wrap_cookies(
    name: &str,
    response: &HeaderPairs,
    now: Millis,
    wrap: impl Fn(&[u8]) -> Option<String>,
) -> WrappedCookies {
    let mut wrapped = WrappedCookies::default();
    let mut lines = Vec::new();
    let mut has_changed = false;
    for (_, line) in response.iter().filter(|(header, _)| header == "set-cookie") {
        let fits = |value: &[u8]| name.len().saturating_add(value.len()) <= MAX_COOKIE_LEN;
        let value = session_value(line, name, now);
        let envelope = value.filter(|value| fits(value)).and_then(&wrap);
        match (value, envelope) {
            (Some(value), Some(envelope)) if fits(envelope.as_bytes()) => {
                lines.push(with_value(line, value, envelope.as_bytes()));
                has_changed = true;
            }
            (value, envelope) => {
                wrapped.is_too_long |= envelope.is_some() || value.is_some_and(|value| !fits(value));
                lines.push(line.clone());
            }
        }
    }
    if has_changed {
        wrapped.mutations.push(HeaderMutation::Remove("set-cookie".to_owned()));
        let add = |line| HeaderMutation::Add("set-cookie".to_owned(), line);
        wrapped.mutations.extend(lines.into_iter().map(add));
        wrapped.mutations.extend(keep_out_of_shared_caches(response));
    }
    wrapped
}

/// The value that a line gives the cookie. `None` if the line sets another cookie or deletes this one. A line deletes
/// the cookie with an empty value or by its attributes.
fn session_value<'l>(line: &'l [u8], name: &str, now: Millis) -> Option<&'l [u8]> {
    if !sets(line, name) {
        return None;
    }
    let mut parts = line.split(|byte| *byte == b';');
    let pair = parts.next()?;
    let value = pair.splitn(2, |byte| *byte == b'=').nth(1)?.trim_ascii();
    (!value.is_empty() && value != b"\"\"" && !deletes_cookie(parts, now)).then_some(value)
}

/// Whether attributes delete the cookie: by a `Max-Age` of 0 or less, or without a `Max-Age` by an `Expires` in the
/// past. The last attribute of a name counts (RFC 6265, section 5.3).
fn deletes_cookie<'l>(attributes: impl Iterator<Item = &'l [u8]>, now: Millis) -> bool {
    let (mut by_max_age, mut by_expires) = (None, None);
    for attribute in attributes {
        let mut parts = attribute.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            continue;
        };
        if name.eq_ignore_ascii_case(b"max-age") {
            by_max_age = is_zero_or_less(value).or(by_max_age);
        } else if name.eq_ignore_ascii_case(b"expires") {
            by_expires = cookie_date::parse(value).map(|end| end <= now).or(by_expires);
        }
    }
    by_max_age.or(by_expires).unwrap_or(false)
}

/// `None` if the value is not a number. Browsers ignore such a `Max-Age`.
fn is_zero_or_less(number: &[u8]) -> Option<bool> {
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| number.starts_with(b"-") || digits.iter().all(|digit| *digit == b'0'))
}

/// The line with `value` replaced by `other`. `value` is a slice of the line.
fn with_value(line: &[u8], value: &[u8], other: &[u8]) -> Vec<u8> {
    let after_name = line.iter().position(|byte| *byte == b'=').map_or(0, |index| index.saturating_add(1));
    let (name, rest) = line.split_at_checked(after_name).unwrap_or((line, b""));
    let blanks = rest.len().saturating_sub(rest.trim_ascii_start().len());
    let attributes = rest.get(blanks.saturating_add(value.len())..).unwrap_or_default();
    [name, rest.get(..blanks).unwrap_or_default(), other, attributes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::NOW;

    fn lines(lines: &[&str]) -> Vec<(String, Vec<u8>)> {
        let line = |line: &&str| ("set-cookie".to_owned(), line.as_bytes().to_vec());
        lines.iter().map(line).chain([("cache-control".to_owned(), b"no-store".to_vec())]).collect()
    }

    fn wrapped(of: &[&str]) -> Vec<String> {
        let wrap = |value: &[u8]| Some(format!("<{}>", String::from_utf8_lossy(value)));
        let text = |mutation: HeaderMutation| match mutation {
            HeaderMutation::Add(_, line) => String::from_utf8(line).unwrap(),
            HeaderMutation::Remove(name) => format!("remove {name}"),
            HeaderMutation::Set(name, _) => format!("set {name}"),
        };
        wrap_cookies("SID", &lines(of), NOW, wrap).mutations.into_iter().map(text).collect()
    }

    #[test]
    fn only_the_value_of_the_applications_cookie_changes() {
        for (line, expected) in [
            ("SID=abc", "SID=<abc>"),
            ("SID=abc; Path=/; HttpOnly", "SID=<abc>; Path=/; HttpOnly"),
            (" SID =  a=b  ;path=/;  MAX-AGE=60 ;x", " SID =  <a=b>  ;path=/;  MAX-AGE=60 ;x"),
            ("SID=\"a b\";Secure", "SID=<\"a b\">;Secure"),
            (
                "SID=abc; Expires=Wed, 09 Jun 2100 10:18:14 GMT",
                "SID=<abc>; Expires=Wed, 09 Jun 2100 10:18:14 GMT",
            ),
            ("SID=abc; Max-Age=; Expires=never", "SID=<abc>; Max-Age=; Expires=never"),
            ("SID=abc; Max-Age=-x", "SID=<abc>; Max-Age=-x"),
            ("SID=abc; Max-Age=0; Max-Age=60", "SID=<abc>; Max-Age=0; Max-Age=60"),
            (
                "SID=abc; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
                "SID=<abc>; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            ),
            (
                "SID=abc; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Expires=Wed, 09 Jun 2100 10:18:14 GMT",
                "SID=<abc>; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Expires=Wed, 09 Jun 2100 10:18:14 GMT",
            ),
        ] {
            assert_eq!(wrapped(&[line]), ["remove set-cookie", expected], "{line}");
        }
    }

    #[test]
    fn other_cookies_and_their_order_stay_unchanged() {
        assert_eq!(
            wrapped(&["a=1", "SID=x; Path=/", "sid=y", "SID=z", "SIDE=w"]),
            ["remove set-cookie", "a=1", "SID=<x>; Path=/", "sid=y", "SID=<z>", "SIDE=w"]
        );
    }

    #[test]
    fn a_line_that_deletes_the_cookie_stays_unchanged() {
        for line in [
            "SID=",
            "SID=\"\"; Path=/",
            "SID=x; Max-Age=0",
            "SID=x;max-age = -1",
            "SID=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "SID=x; EXPIRES=Thu, 01-Jan-1970 00:00:01 GMT; Path=/",
            "SID=x; Expires=Tue, 14 Nov 2023 22:13:19 GMT",
            "SID=x; Max-Age=60; Max-Age=0",
            "SID=x; Max-Age=0; Expires=Wed, 09 Jun 2100 10:18:14 GMT",
            "sid=x",
            "SID",
            "SID; Path=/",
        ] {
            assert!(wrapped(&[line]).is_empty(), "{line}");
            assert!(!sets_session("SID", &lines(&[line]), NOW), "{line}");
        }
        assert!(sets_session("SID", &lines(&["a=1", "SID=x"]), NOW));
    }

    #[test]
    fn a_cookie_that_would_become_too_long_for_browsers_stays_unchanged() {
        for (value_len, envelope_len, is_too_long) in
            [(1, 4093, false), (1, 4094, true), (4094, 4093, true), (5_000, 0, true)]
        {
            let line = format!("SID={}; Path=/", "x".repeat(value_len));
            let wrapped = wrap_cookies("SID", &lines(&[&line]), NOW, |_| Some("e".repeat(envelope_len)));
            assert_eq!(
                (wrapped.is_too_long, wrapped.mutations.is_empty()),
                (is_too_long, is_too_long),
                "{value_len} {envelope_len}"
            );
        }
    }
}
