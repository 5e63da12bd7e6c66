//! `sessionAffinity`: the affinity type and its settings.

use serde::Deserialize;

use super::bounded::Bounded;
use super::cookie::Cookie;
use super::cookie::CookieFields;
use super::error::Problem;
use super::headers::{HeaderName, HeaderNames};
use super::text::{Rule, Text};
use crate::balance::client_address::PrefixLengths;
use crate::session::Lifetime;

/// What ties a request to a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Affinity {
    /// Nothing.
    None,
    /// The client's address.
    ClientIp(PrefixLengths),
    /// A token in a cookie that the filter makes.
    GeneratedCookie {
        /// The cookie that carries the token.
        cookie: Cookie,
        /// How long a session lives.
        lifetime: Lifetime,
    },
    /// The value of a cookie that the application sets, or of a cookie that the filter makes if there is none.
    HttpCookie {
        /// The cookie, and the attributes of a cookie that the filter makes.
        cookie: Cookie,
        /// Seconds for which the browser keeps a cookie that the filter made. 0: the filter makes no cookie.
        ttl_sec: u32,
    },
    /// The value of a header that the client sends.
    HeaderField {
        /// The header's name, in lower case.
        name: String,
    },
    /// The value of a query parameter.
    QueryParameter {
        /// The parameter's name, percent-decoded.
        name: String,
    },
    /// A token in a header.
    GeneratedHeader {
        /// The header's name, in lower case.
        name: String,
        /// How long a session lives.
        lifetime: Lifetime,
    },
    /// The application's own session id in a header, wrapped together with the pin.
    HeaderEnvelope {
        /// The header's name, in lower case.
        name: String,
        /// How long a session lives.
        lifetime: Lifetime,
    },
    /// The application's own session cookie, whose value is wrapped together with the pin.
    CookieEnvelope {
        /// The cookie's name. Case matters.
        name: String,
    },
}

impl Affinity {
    const fn affinity_type(&self) -> AffinityType {
        match self {
            Self::None => AffinityType::None,
            Self::ClientIp(_) => AffinityType::ClientIp,
            Self::GeneratedCookie { .. } => AffinityType::GeneratedCookie,
            Self::HttpCookie { .. } => AffinityType::HttpCookie,
            Self::HeaderField { .. } => AffinityType::HeaderField,
            Self::QueryParameter { .. } => AffinityType::QueryParameter,
            Self::GeneratedHeader { .. } => AffinityType::GeneratedHeader,
            Self::HeaderEnvelope { .. } => AffinityType::HeaderEnvelope,
            Self::CookieEnvelope { .. } => AffinityType::CookieEnvelope,
        }
    }

    /// The name in the configuration.
    pub(crate) const fn type_name(&self) -> &'static str {
        self.affinity_type().name()
    }

    /// Whether sessions of this kind carry a token.
    pub(crate) const fn makes_tokens(&self) -> bool {
        self.affinity_type().has_token()
    }

    /// The cookie that decides the backend, if there is one.
    pub(crate) const fn cookie(&self) -> Option<&Cookie> {
        match self {
            Self::GeneratedCookie { cookie, .. } | Self::HttpCookie { cookie, .. } => Some(cookie),
            _ => None,
        }
    }

    /// The cookie that the filter makes, if there is one.
    pub(crate) const fn generated_cookie(&self) -> Option<&Cookie> {
        match self {
            Self::GeneratedCookie { cookie, .. } | Self::HttpCookie { cookie, ttl_sec: 1.. } => Some(cookie),
            _ => None,
        }
    }

    /// The cookie that the filter hides from backends, if there is one.
    pub(crate) fn hidden_cookie(&self) -> Option<&Cookie> {
        self.cookie().filter(|cookie| cookie.hide_from_upstream)
    }

    /// The name of the application's session cookie that the filter wraps, if there is one.
    pub(crate) fn envelope_cookie(&self) -> Option<&str> {
        match self {
            Self::CookieEnvelope { name } => Some(name),
            _ => None,
        }
    }

    /// Whether the application names its sessions itself, and the filter wraps these names.
    pub(crate) const fn is_envelope(&self) -> bool {
        matches!(self, Self::HeaderEnvelope { .. } | Self::CookieEnvelope { .. })
    }

    /// How long sessions live. `None` if the filter ends no sessions.
    pub(crate) const fn lifetime(&self) -> Option<&Lifetime> {
        match self {
            Self::GeneratedCookie { lifetime, .. }
            | Self::GeneratedHeader { lifetime, .. }
            | Self::HeaderEnvelope { lifetime, .. } => Some(lifetime),
            Self::None
            | Self::ClientIp(_)
            | Self::HttpCookie { .. }
            | Self::HeaderField { .. }
            | Self::QueryParameter { .. }
            | Self::CookieEnvelope { .. } => None,
        }
    }

    /// The cookie, header or query parameter that carries the session, in words.
    pub(crate) fn carrier(&self) -> String {
        match self {
            Self::None | Self::ClientIp(_) => "nothing".to_owned(),
            Self::GeneratedCookie { cookie, .. } | Self::HttpCookie { cookie, .. } => {
                format!("the cookie {}", cookie.name)
            }
            Self::QueryParameter { name } => format!("the query parameter {name}"),
            Self::CookieEnvelope { name } => format!("the cookie {name}"),
            Self::HeaderField { name }
            | Self::GeneratedHeader { name, .. }
            | Self::HeaderEnvelope { name, .. } => format!("the header {name}"),
        }
    }
}

/// What ties a request to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum AffinityType {
    /// Nothing: each request goes to a backend by weight.
    None,
    /// The client's address, by consistent hash.
    ClientIp,
    /// A cookie that the filter makes.
    GeneratedCookie,
    /// The value of a cookie of the application, by consistent hash. With a TTL, the filter makes the cookie if it is
    /// missing.
    HttpCookie,
    /// The value of a header that the client sends, by consistent hash.
    HeaderField,
    /// The value of a query parameter, by consistent hash.
    QueryParameter,
    /// A token in a header: the response carries the token, and the client sends it back.
    GeneratedHeader,
    /// The application's own session id in a response header, which the filter wraps together with the backend.
    HeaderEnvelope,
    /// The application's own session cookie, whose value the filter wraps together with the backend.
    CookieEnvelope,
}

impl AffinityType {
    const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::ClientIp => "CLIENT_IP",
            Self::GeneratedCookie => "GENERATED_COOKIE",
            Self::HttpCookie => "HTTP_COOKIE",
            Self::HeaderField => "HEADER_FIELD",
            Self::QueryParameter => "QUERY_PARAMETER",
            Self::GeneratedHeader => "GENERATED_HEADER",
            Self::HeaderEnvelope => "HEADER_ENVELOPE",
            Self::CookieEnvelope => "COOKIE_ENVELOPE",
        }
    }

    /// Whether sessions of this type carry a token.
    const fn has_token(self) -> bool {
        matches!(
            self,
            Self::GeneratedCookie | Self::GeneratedHeader | Self::HeaderEnvelope | Self::CookieEnvelope
        )
    }
}

/// Two weeks, Google Cloud's maximum.
const MAX_TTL_SEC: u32 = 1_209_600;

// Each field is valid by itself. `into_affinity` checks the combination.
/// What ties a request to a backend, and for how long. The names are those of GKE's `BackendConfig` if it has the
/// setting.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct SessionAffinity {
    /// What ties a request to a backend.
    affinity_type: AffinityType,
    /// Maximum lifetime of a session in seconds, from its start. 0: until the browser closes. Default: 0.
    #[serde(default)]
    affinity_cookie_ttl_sec: Bounded<0, MAX_TTL_SEC>,
    /// Seconds without a request after which a session ends. Each request renews the session. 0: never. Default: 0.
    #[serde(default)]
    idle_timeout_sec: Bounded<0, MAX_TTL_SEC>,
    /// The cookie, for `GENERATED_COOKIE`, `HTTP_COOKIE` and `COOKIE_ENVELOPE`.
    cookie: Option<CookieFields>,
    /// The header, for `HEADER_FIELD`, `GENERATED_HEADER` and `HEADER_ENVELOPE`.
    header: Option<HeaderFields>,
    /// The query parameter, for `QUERY_PARAMETER`.
    query_parameter: Option<QueryParameterFields>,
    /// How many bits of the client's address count, for `CLIENT_IP` and for `fallback: CLIENT_IP`.
    client_ip: Option<ClientIpFields>,
    /// How the filter chooses the backend of a request without a session and without a key. Default: `WEIGHT`.
    #[serde(default)]
    fallback: FallbackWord,
}

/// How the filter chooses the backend of a request without a session and without a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// At random by weight.
    #[default]
    Weight,
    /// By consistent hash of the client's address.
    ClientIp(PrefixLengths),
}

/// How the filter chooses the backend of a request without a session and without a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum FallbackWord {
    /// At random, by weight.
    #[default]
    Weight,
    /// By consistent hash of the client's address, so that simultaneous first requests of one client go to one backend.
    ClientIp,
}

/// A query parameter.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct QueryParameterFields {
    /// The name of the query parameter.
    name: Text<QueryParameterName>,
}

struct QueryParameterName;

impl Rule for QueryParameterName {
    const ALLOWED: &'static str = "the name of a query parameter (1 to 128 bytes)";
    #[cfg(feature = "schema")]
    const PATTERN: &'static str = r"^[\s\S]{1,128}$";

    fn allows(text: &str) -> bool {
        (1..=128).contains(&text.len())
    }
}

/// A header.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct HeaderFields {
    /// The name of the header.
    name: HeaderName,
}

/// How many bits of the client's address count.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct ClientIpFields {
    /// The bits of an IPv4 address that count. Default: 32.
    ipv4_prefix_len: Bounded<0, 32>,
    /// The bits of an IPv6 address that count. Default: 128.
    ipv6_prefix_len: Bounded<0, 128>,
}

impl Default for ClientIpFields {
    fn default() -> Self {
        Self { ipv4_prefix_len: Bounded::of::<32>(), ipv6_prefix_len: Bounded::of::<128>() }
    }
}

impl From<&ClientIpFields> for PrefixLengths {
    fn from(fields: &ClientIpFields) -> Self {
        Self { ipv4: fields.ipv4_prefix_len.get(), ipv6: fields.ipv6_prefix_len.get() }
    }
}

impl SessionAffinity {
    /// Whether the TTL has no effect.
    pub(crate) fn has_unused_ttl(&self) -> bool {
        let unused = matches!(self.affinity_type, AffinityType::None | AffinityType::ClientIp);
        unused && self.affinity_cookie_ttl_sec.get() > 0
    }

    /// How the filter chooses the backend of a request without a session and without a key.
    pub(crate) fn fallback(&self) -> Fallback {
        match self.fallback {
            FallbackWord::Weight => Fallback::Weight,
            FallbackWord::ClientIp => {
                Fallback::ClientIp(self.client_ip.as_ref().map_or_else(PrefixLengths::default, Into::into))
            }
        }
    }

    /// The affinity, if the combination of the fields is valid.
    pub(crate) fn into_affinity(self, header_names: &HeaderNames) -> Result<Affinity, Problem> {
        self.check_companions()?;
        let lifetime = Lifetime {
            ttl_sec: self.affinity_cookie_ttl_sec.get(),
            idle_timeout_sec: self.idle_timeout_sec.get(),
        };
        let header = self.header;
        let header_name = || {
            let Some(HeaderFields { name }) = header else {
                return Err(Problem::missing("an object with the header's name").within("header"));
            };
            header_names.check_other(&name).map_err(|problem| problem.within("name").within("header"))?;
            Ok(name.into_string())
        };
        let cookie_fields = self.cookie.unwrap_or_default();
        let in_cookie = |problem: Problem| problem.within("cookie");
        Ok(match self.affinity_type {
            AffinityType::None => Affinity::None,
            AffinityType::ClientIp => Affinity::ClientIp((&self.client_ip.unwrap_or_default()).into()),
            AffinityType::GeneratedCookie => Affinity::GeneratedCookie {
                cookie: cookie_fields.into_cookie().map_err(in_cookie)?,
                lifetime,
            },
            AffinityType::HttpCookie => {
                let cookie = cookie_fields.into_cookie().map_err(in_cookie)?;
                if cookie.hide_from_upstream {
                    let wrong =
                        "has no effect with affinityType HTTP_COOKIE: the application owns the cookie";
                    let problem = Problem::new(wrong, "only with GENERATED_COOKIE");
                    return Err(problem.within("hideFromUpstream").within("cookie"));
                }
                Affinity::HttpCookie { cookie, ttl_sec: lifetime.ttl_sec }
            }
            AffinityType::HeaderField => Affinity::HeaderField { name: header_name()? },
            AffinityType::QueryParameter => {
                let Some(QueryParameterFields { name }) = self.query_parameter else {
                    let problem = Problem::missing("an object with the query parameter's name");
                    return Err(problem.within("queryParameter"));
                };
                Affinity::QueryParameter { name: name.into_string() }
            }
            AffinityType::GeneratedHeader => Affinity::GeneratedHeader { name: header_name()?, lifetime },
            AffinityType::HeaderEnvelope => Affinity::HeaderEnvelope { name: header_name()?, lifetime },
            AffinityType::CookieEnvelope => {
                Affinity::CookieEnvelope { name: cookie_fields.into_envelope_name().map_err(in_cookie)? }
            }
        })
    }

    /// Checks that each field has an effect with the affinity type.
    fn check_companions(&self) -> Result<(), Problem> {
        use AffinityType as T;
        const WITH_HEADER: &[T] = &[T::HeaderField, T::GeneratedHeader, T::HeaderEnvelope];
        const WITH_TOKEN: &[T] = &[T::GeneratedCookie, T::GeneratedHeader, T::HeaderEnvelope];
        // NONE and CLIENT_IP accept a TTL, as GKE does, with a warning.
        const WITH_TTL: &[T] =
            &[T::None, T::ClientIp, T::GeneratedCookie, T::HttpCookie, T::GeneratedHeader, T::HeaderEnvelope];
        const WITH_FALLBACK: &[T] = &[
            T::GeneratedCookie,
            T::HttpCookie,
            T::HeaderField,
            T::QueryParameter,
            T::GeneratedHeader,
            T::HeaderEnvelope,
            T::CookieEnvelope,
        ];
        let has_fallback = self.fallback != FallbackWord::Weight;
        let has_useless_client_ip = self.client_ip.is_some() && !has_fallback;
        let companions: [(&str, bool, &[T]); 7] = [
            ("cookie", self.cookie.is_some(), &[T::GeneratedCookie, T::HttpCookie, T::CookieEnvelope]),
            ("fallback", has_fallback, WITH_FALLBACK),
            ("clientIp", has_useless_client_ip, &[T::ClientIp]),
            ("header", self.header.is_some(), WITH_HEADER),
            ("queryParameter", self.query_parameter.is_some(), &[T::QueryParameter]),
            ("idleTimeoutSec", self.idle_timeout_sec.get() > 0, WITH_TOKEN),
            ("affinityCookieTtlSec", self.affinity_cookie_ttl_sec.get() > 0, WITH_TTL),
        ];
        for (field, is_set, types) in companions {
            if is_set && !types.contains(&self.affinity_type) {
                let types: Vec<_> = types.iter().map(|affinity_type| affinity_type.name()).collect();
                let wrong = format!("has no effect with affinityType {}", self.affinity_type.name());
                let or_fallback = if field == "clientIp" { ", or with fallback CLIENT_IP" } else { "" };
                let allowed = format!("only with {}{or_fallback}", types.join(", "));
                return Err(Problem::new(wrong, allowed).within(field));
            }
        }
        Ok(())
    }
}
