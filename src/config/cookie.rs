//! `sessionAffinity.cookie`. Browsers silently drop a cookie that breaks their rules (draft-ietf-httpbis-rfc6265bis).
//! The filter refuses such a cookie here, so that the operator sees an error.

use serde::Deserialize;

use super::error::Problem;
use super::headers::is_token;
use super::host_name::{ends_in_a_number, is_host_name};
use super::text::{Rule, Text};

/// When the cookie has the attribute `Secure`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Secure {
    /// If the session began over https.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The `SameSite` attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum SameSite {
    /// `SameSite=Lax`.
    #[default]
    Lax,
    /// `SameSite=Strict`.
    Strict,
    /// `SameSite=None`. Browsers accept it only for `Secure` cookies.
    None,
    /// No attribute: the browser's own default.
    Unset,
}

/// Who ends the cookie. The words are those of the Gateway API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum LifetimeType {
    /// `Max-Age`, if the session has a TTL.
    #[default]
    Permanent,
    /// No `Max-Age`: the browser keeps the cookie until it closes, and only the filter ends the session.
    Session,
}

/// A cookie's name and attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cookie {
    /// An RFC 6265 token. Case matters.
    pub(crate) name: String,
    /// The path for which browsers send the cookie. Requests outside the path have no session.
    pub(crate) path: String,
    /// `None`: only the host that set the cookie.
    pub(crate) domain: Option<String>,
    /// When the cookie has the attribute `Secure`.
    pub(crate) secure: Secure,
    /// Whether the cookie is hidden from scripts.
    pub(crate) http_only: bool,
    /// Whether browsers send the cookie with requests from pages of other sites.
    pub(crate) same_site: SameSite,
    /// Whether browsers keep a separate cookie for each top-level site (CHIPS).
    pub(crate) partitioned: bool,
    /// Whether the filter hides the cookie from backends.
    pub(crate) hide_from_upstream: bool,
    /// Who ends the cookie.
    pub(crate) lifetime_type: LifetimeType,
}

impl Default for Cookie {
    fn default() -> Self {
        Self {
            name: "GCLB".to_owned(),
            path: "/".to_owned(),
            domain: None,
            secure: Secure::default(),
            http_only: true,
            same_site: SameSite::default(),
            partitioned: false,
            hide_from_upstream: false,
            lifetime_type: LifetimeType::default(),
        }
    }
}

impl Cookie {
    /// Whether a request's `:path`, with its query, lies within the cookie's path (RFC 6265, section 5.1.4): `/shop`
    /// covers `/shop`, `/shop/cart` and `/shop?x`, and not `/shopping`.
    pub(crate) fn covers(&self, request_path: &[u8]) -> bool {
        let path = request_path.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
        match path.strip_prefix(self.path.as_bytes()) {
            Some(rest) => rest.is_empty() || self.path.ends_with('/') || rest.first() == Some(&b'/'),
            None => false,
        }
    }

    /// Whether the cookie covers every request.
    pub(crate) fn covers_every_path(&self) -> bool {
        self.path == "/"
    }

    /// Whether the `Secure` attribute depends on the scheme of the request.
    pub(crate) fn depends_on_scheme(&self) -> bool {
        self.secure == Secure::Auto
    }
}

/// A cookie's name and attributes.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CookieFields {
    /// The name of the cookie. Two services that make cookies need different names. Default: `GCLB`.
    name: Option<Text<CookieName>>,
    /// The path for which browsers send the cookie. Requests outside the path have no session. Default: `/`.
    path: Option<Text<CookiePath>>,
    /// The domain whose hosts share the cookie. Default: none, so the browser sends the cookie only to the host that
    /// set it.
    domain: Option<Text<CookieDomain>>,
    /// When the cookie has the attribute `Secure`. Default: `AUTO`.
    secure: Option<Secure>,
    /// Whether the cookie is hidden from scripts. Default: true.
    http_only: Option<bool>,
    /// Whether browsers send the cookie with requests from pages of other sites. Default: `LAX`.
    same_site: Option<SameSite>,
    /// Whether browsers keep a separate cookie for each top-level site (CHIPS). Default: false.
    partitioned: Option<bool>,
    /// Whether the filter hides the cookie from backends. Default: false.
    hide_from_upstream: Option<bool>,
    /// Who ends the cookie. Default: `PERMANENT`.
    lifetime_type: Option<LifetimeType>,
}

impl CookieFields {
    /// The name of a cookie that the application owns. Attributes are refused: only the application sets them.
    pub(crate) fn into_envelope_name(self) -> Result<String, Problem> {
        let attributes = [
            ("domain", self.domain.is_some()),
            ("secure", self.secure.is_some()),
            ("httpOnly", self.http_only.is_some()),
            ("sameSite", self.same_site.is_some()),
            ("partitioned", self.partitioned.is_some()),
            ("lifetimeType", self.lifetime_type.is_some()),
            ("hideFromUpstream", self.hide_from_upstream == Some(true)),
            ("path", self.path.is_some_and(|path| path.as_str() != "/")),
        ];
        if let Some((field, _)) = attributes.into_iter().find(|(_, is_set)| *is_set) {
            let wrong = "has no effect with affinityType COOKIE_ENVELOPE: the application owns the cookie";
            return Err(Problem::new(wrong, "left out").within(field));
        }
        let Some(name) = self.name else {
            return Err(Problem::missing("the name of the application's session cookie").within("name"));
        };
        Ok(name.into_string())
    }

    /// The cookie, with defaults for missing fields, if browsers accept it.
    pub(crate) fn into_cookie(self) -> Result<Cookie, Problem> {
        let default = Cookie::default();
        let cookie = Cookie {
            name: self.name.map_or(default.name, Text::into_string),
            path: self.path.map_or(default.path, Text::into_string),
            domain: self.domain.map(Text::into_string),
            secure: self.secure.unwrap_or_default(),
            http_only: self.http_only.unwrap_or(default.http_only),
            same_site: self.same_site.unwrap_or_default(),
            partitioned: self.partitioned.unwrap_or_default(),
            hide_from_upstream: self.hide_from_upstream.unwrap_or_default(),
            lifetime_type: self.lifetime_type.unwrap_or_default(),
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
    #[cfg(feature = "schema")]
    const PATTERN: &'static str = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$";

    fn allows(text: &str) -> bool {
        text.len() <= 128 && is_token(text)
    }
}

struct CookiePath;

impl Rule for CookiePath {
    const ALLOWED: &'static str =
        "a path that starts with / (visible ASCII without ; ? and #, at most 1024 bytes)";
    #[cfg(feature = "schema")]
    const PATTERN: &'static str = r#"^/[!"$-:<->@-~]{0,1023}$"#;

    fn allows(text: &str) -> bool {
        super::is_request_path(text) && !text.bytes().any(|byte| b";?#".contains(&byte))
    }
}

struct CookieDomain;

impl Rule for CookieDomain {
    const ALLOWED: &'static str =
        "a host name of two or more labels such as example.com, without a leading dot, and no IP address";
    #[cfg(feature = "schema")]
    const PATTERN: &'static str = concat!(
        r"^(?=.{1,253}$)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+",
        r"(?!(?:[0-9]+|0[xX][0-9A-Fa-f]*)$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$",
    );

    /// Browsers refuse a domain that is an IP address or a single label. With a single label, a whole top-level domain
    /// would share the cookie.
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

/// What browsers require of certain kinds of cookies.
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

/// Browsers ignore the case of prefixes.
fn has_prefix(cookie: &Cookie, prefix: &str) -> bool {
    cookie.name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
