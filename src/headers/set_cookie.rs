//! The `Set-Cookie` header (RFC 6265 and its successor draft-ietf-httpbis-rfc6265bis).

use crate::config::{Cookie, LifetimeType, SameSite, Secure};

/// Capacity that is enough for most `Set-Cookie` values of this filter.
const TYPICAL_LEN: usize = 256;

/// The value of a `Set-Cookie` header. `max_age` is in seconds. Without `max_age` or with `lifetimeType: SESSION`, the
/// browser keeps the cookie until it closes. `https` tells whether the session began over https.
pub(crate) fn set_cookie(cookie: &Cookie, value: &str, max_age: Option<u64>, https: bool) -> String {
    let mut line = String::with_capacity(TYPICAL_LEN);
    for part in [&cookie.name, "=", value, "; Path=", &cookie.path] {
        line.push_str(part);
    }
    if let Some(domain) = &cookie.domain {
        line.push_str("; Domain=");
        line.push_str(domain);
    }
    if cookie.secure == Secure::Always || (cookie.secure == Secure::Auto && https) {
        line.push_str("; Secure");
    }
    if cookie.http_only {
        line.push_str("; HttpOnly");
    }
    line.push_str(match cookie.same_site {
        SameSite::Lax => "; SameSite=Lax",
        SameSite::Strict => "; SameSite=Strict",
        SameSite::None => "; SameSite=None",
        SameSite::Unset => "",
    });
    if cookie.partitioned {
        line.push_str("; Partitioned");
    }
    if let (Some(max_age), LifetimeType::Permanent) = (max_age, cookie.lifetime_type) {
        line.push_str("; Max-Age=");
        line.push_str(&max_age.to_string());
    }
    line
}

/// Whether the value of a `Set-Cookie` header sets the cookie with this name.
pub(crate) fn sets(line: &[u8], name: &str) -> bool {
    line.trim_ascii_start()
        .strip_prefix(name.as_bytes())
        .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_cookie_that_the_application_sets_is_compared_exactly() {
        for (line, ours) in [
            ("GCLB=x", true),
            ("GCLB=x; Path=/; HttpOnly", true),
            ("GCLB=; Max-Age=0", true),
            (" GCLB = x", true),
            ("gclb=x", false),
            ("GCLBX=x", false),
            ("XGCLB=x", false),
            ("a=1; GCLB=x", false),
            ("a=GCLB=x", false),
            ("GCLB", false),
            ("GCLB; Path=/", false),
            ("", false),
        ] {
            assert_eq!(sets(line.as_bytes(), "GCLB"), ours, "{line}");
        }
    }

    #[test]
    fn set_cookie_has_the_configured_attributes() {
        let plain = Cookie { same_site: SameSite::Unset, http_only: false, ..Cookie::default() };
        let cases = [
            (Cookie::default(), None, false, "GCLB=v; Path=/; HttpOnly; SameSite=Lax"),
            (Cookie::default(), Some(50), true, "GCLB=v; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=50"),
            (Cookie::default(), Some(0), false, "GCLB=v; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"),
            (plain.clone(), None, false, "GCLB=v; Path=/"),
            (plain.clone(), None, true, "GCLB=v; Path=/; Secure"),
            (Cookie { secure: Secure::Never, ..plain.clone() }, None, true, "GCLB=v; Path=/"),
            (Cookie { secure: Secure::Always, ..plain.clone() }, None, false, "GCLB=v; Path=/; Secure"),
            (
                Cookie { same_site: SameSite::Strict, ..plain.clone() },
                None,
                false,
                "GCLB=v; Path=/; SameSite=Strict",
            ),
            (
                Cookie {
                    name: "__Secure-a".to_owned(),
                    path: "/shop".to_owned(),
                    domain: Some("a.example".to_owned()),
                    secure: Secure::Always,
                    same_site: SameSite::None,
                    partitioned: true,
                    ..plain
                },
                None,
                false,
                "__Secure-a=v; Path=/shop; Domain=a.example; Secure; SameSite=None; Partitioned",
            ),
        ];
        for (cookie, max_age, https, expected) in cases {
            assert_eq!(set_cookie(&cookie, "v", max_age, https), expected);
        }
    }
}
