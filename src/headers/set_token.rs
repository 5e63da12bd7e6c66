//! The changes to a response's headers that give the client its token.

use super::cache_control::keep_out_of_shared_caches;
use super::set_cookie::{set_cookie, sets};
use super::{HeaderMutation, HeaderPairs};
use crate::config::Affinity;

/// The token that the client receives with a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenUpdate {
    /// The token, the envelope, or the value of a cookie that the filter makes for `HTTP_COOKIE`.
    pub(crate) text: String,
    /// Seconds for which a browser keeps the cookie. `None`: until the browser closes.
    pub(crate) max_age: Option<u64>,
    /// Whether the session began over https.
    pub(crate) https: bool,
}

/// Who sets the cookie or header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenHeaders {
    /// The filter, with these changes to the headers.
    Ours(Vec<HeaderMutation>),
    /// The application sets a cookie or header with the same name, and the filter leaves it unchanged.
    Applications,
}

/// The changes that give the client its token. `response` has the headers of the application's response.
pub(crate) fn set_token(affinity: &Affinity, update: TokenUpdate, response: &HeaderPairs) -> TokenHeaders {
    let lines = |header: &str| response.iter().filter(move |(name, _)| name == header).count();
    let TokenUpdate { text, max_age, https } = update;
    let token = match affinity {
        Affinity::GeneratedCookie { cookie, .. } | Affinity::HttpCookie { cookie, .. } => {
            let is_ours =
                |(name, value): &(String, Vec<u8>)| name == "set-cookie" && sets(value, &cookie.name);
            if response.iter().any(is_ours) {
                return TokenHeaders::Applications;
            }
            let line = set_cookie(cookie, &text, max_age, https);
            HeaderMutation::Add("set-cookie".to_owned(), line.into_bytes())
        }
        Affinity::GeneratedHeader { name, .. } => {
            if lines(name) > 0 {
                return TokenHeaders::Applications;
            }
            HeaderMutation::Add(name.clone(), text.into_bytes())
        }
        // Several values do not identify one session.
        Affinity::HeaderEnvelope { name, .. } if lines(name) == 1 => {
            HeaderMutation::Set(name.clone(), text.into_bytes())
        }
        Affinity::HeaderEnvelope { .. }
        | Affinity::CookieEnvelope { .. }
        | Affinity::None
        | Affinity::ClientIp(_)
        | Affinity::HeaderField { .. }
        | Affinity::QueryParameter { .. } => return TokenHeaders::Ours(Vec::new()),
    };
    let mut mutations = vec![token];
    mutations.extend(keep_out_of_shared_caches(response));
    TokenHeaders::Ours(mutations)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::service;

    /// The changes to a response with these headers, as text. `None` if the application sets the token's header itself.
    fn mutations(
        affinity: &Value,
        max_age: Option<u64>,
        https: bool,
        response: &[(&str, &str)],
    ) -> Option<Vec<String>> {
        let service = service(&json!({ "sessionAffinity": affinity, "backends": ["a"] }));
        let update = TokenUpdate { text: "token".to_owned(), max_age, https };
        let response: Vec<_> =
            response.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let show = |mutation: &HeaderMutation| match mutation {
            HeaderMutation::Add(name, value) => format!("add {name}: {}", text(value)),
            HeaderMutation::Set(name, value) => format!("set {name}: {}", text(value)),
            HeaderMutation::Remove(name) => format!("remove {name}"),
        };
        match set_token(&service.affinity, update, &response) {
            TokenHeaders::Ours(mutations) => Some(mutations.iter().map(show).collect()),
            TokenHeaders::Applications => None,
        }
    }

    fn generated_cookie() -> Value {
        json!({ "affinityType": "GENERATED_COOKIE" })
    }

    fn in_header(affinity_type: &str) -> Value {
        json!({ "affinityType": affinity_type, "header": { "name": "X-Session" } })
    }

    #[test]
    fn a_token_goes_into_a_cookie_that_no_shared_cache_stores() {
        assert_eq!(
            mutations(&generated_cookie(), Some(50), false, &[]).unwrap(),
            [
                "add set-cookie: GCLB=token; Path=/; HttpOnly; SameSite=Lax; Max-Age=50",
                "set cache-control: private"
            ]
        );
        assert_eq!(
            mutations(&generated_cookie(), None, true, &[("cache-control", "no-store")]).unwrap(),
            ["add set-cookie: GCLB=token; Path=/; Secure; HttpOnly; SameSite=Lax"]
        );
    }

    #[test]
    fn a_made_cookie_is_set_like_a_token() {
        let affinity = json!({ "affinityType": "HTTP_COOKIE", "affinityCookieTtlSec": 50 });
        assert_eq!(
            mutations(&affinity, Some(50), false, &[("cache-control", "private")]).unwrap(),
            ["add set-cookie: GCLB=token; Path=/; HttpOnly; SameSite=Lax; Max-Age=50"]
        );
    }

    #[test]
    fn a_token_removes_the_fields_for_shared_caches() {
        let response =
            [("surrogate-control", "max-age=9"), ("cache-control", "public"), ("cache-control", "max-age=1")];
        assert_eq!(
            mutations(&generated_cookie(), None, false, &response).unwrap()[1..],
            ["set cache-control: private, max-age=1", "remove surrogate-control"]
        );
    }

    #[test]
    fn a_cookie_that_the_application_sets_itself_stays_unchanged() {
        for line in ["GCLB=mine", "GCLB=; Max-Age=0", "GCLB = x; Path=/"] {
            let response = [("set-cookie", "a=1"), ("set-cookie", line), ("cache-control", "public")];
            assert_eq!(mutations(&generated_cookie(), None, false, &response), None, "{line}");
        }
        for line in ["a=1", "gclb=x", "GCLB2=x", "a=GCLB=x", "GCLB"] {
            let response = [("set-cookie", line), ("cache-control", "private")];
            assert_eq!(mutations(&generated_cookie(), None, false, &response).unwrap().len(), 1, "{line}");
        }
    }

    #[test]
    fn a_token_goes_into_a_header_unless_the_application_sets_it() {
        let affinity = in_header("GENERATED_HEADER");
        assert_eq!(
            mutations(&affinity, Some(50), true, &[]).unwrap(),
            ["add x-session: token", "set cache-control: private"]
        );
        assert_eq!(mutations(&affinity, None, false, &[("x-session", "mine")]), None);
    }

    #[test]
    fn an_envelope_replaces_the_applications_value() {
        let affinity = in_header("HEADER_ENVELOPE");
        let one = [("x-session", "mine"), ("cache-control", "no-store")];
        assert_eq!(mutations(&affinity, None, false, &one).unwrap(), ["set x-session: token"]);
        let several = [("x-session", "mine"), ("x-session", "too")];
        assert_eq!(mutations(&affinity, None, false, &several).unwrap(), [""; 0], "no single value");
        assert_eq!(mutations(&affinity, None, false, &[]).unwrap(), [""; 0], "no value");
    }

    #[test]
    fn a_service_without_tokens_changes_no_response() {
        for affinity in [
            json!({ "affinityType": "NONE" }),
            json!({ "affinityType": "CLIENT_IP" }),
            in_header("HEADER_FIELD"),
        ] {
            let response = [("cache-control", "public")];
            assert_eq!(mutations(&affinity, None, false, &response).unwrap(), [""; 0], "{affinity}");
        }
    }
}
