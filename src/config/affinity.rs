//! `sessionAffinity`: which kind, and what goes with it.

use super::headers::HeaderNames;
use super::reader::{ConfigError, Field, Object, refusal};
use crate::client_ip::Prefixes;
use crate::cookie::Cookie;
use crate::session::Life;

/// What ties a request to a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// Nothing.
    None,
    /// The client's address.
    ClientIp(Prefixes),
    /// A token in a cookie that the filter makes.
    GeneratedCookie {
        /// The cookie that carries it.
        cookie: Cookie,
        /// How long a session lives.
        life: Life,
    },
    /// The value of a cookie of the application's, or one that the filter makes where there is none.
    HttpCookie {
        /// The cookie, and how it is made.
        cookie: Cookie,
        /// Seconds for which the browser keeps a cookie that the filter made; 0 = it makes none.
        ttl_sec: u32,
    },
    /// The value of a header that the client sends.
    HeaderField {
        /// The header's name, in lower case.
        name: String,
    },
    /// A token in a header.
    GeneratedHeader {
        /// The header's name, in lower case.
        name: String,
        /// How long a session lives.
        life: Life,
    },
    /// The application's own session id in a header, wrapped together with the pin.
    HeaderEnvelope {
        /// The header's name, in lower case.
        name: String,
        /// How long a session lives.
        life: Life,
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
            Self::GeneratedHeader { .. } => AffinityType::GeneratedHeader,
            Self::HeaderEnvelope { .. } => AffinityType::HeaderEnvelope,
        }
    }

    /// The name in the configuration.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        self.affinity_type().name()
    }

    /// Whether sessions of this kind carry a token.
    #[must_use]
    pub const fn makes_tokens(&self) -> bool {
        self.affinity_type().has_token()
    }

    /// The cookie that it goes by, if it goes by one.
    #[must_use]
    pub const fn cookie(&self) -> Option<&Cookie> {
        match self {
            Self::GeneratedCookie { cookie, .. } | Self::HttpCookie { cookie, .. } => Some(cookie),
            _ => None,
        }
    }

    /// The cookie that the filter makes, if it makes one.
    #[must_use]
    pub const fn generated_cookie(&self) -> Option<&Cookie> {
        match self {
            Self::GeneratedCookie { cookie, .. } | Self::HttpCookie { cookie, ttl_sec: 1.. } => Some(cookie),
            _ => None,
        }
    }
}

/// The word in `affinityType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AffinityType {
    None,
    ClientIp,
    GeneratedCookie,
    HttpCookie,
    HeaderField,
    GeneratedHeader,
    HeaderEnvelope,
}

impl AffinityType {
    const ALL: [Self; 7] = [
        Self::None,
        Self::ClientIp,
        Self::GeneratedCookie,
        Self::HttpCookie,
        Self::HeaderField,
        Self::GeneratedHeader,
        Self::HeaderEnvelope,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::ClientIp => "CLIENT_IP",
            Self::GeneratedCookie => "GENERATED_COOKIE",
            Self::HttpCookie => "HTTP_COOKIE",
            Self::HeaderField => "HEADER_FIELD",
            Self::GeneratedHeader => "GENERATED_HEADER",
            Self::HeaderEnvelope => "HEADER_ENVELOPE",
        }
    }

    /// Whether its sessions carry a token.
    pub const fn has_token(self) -> bool {
        matches!(self, Self::GeneratedCookie | Self::GeneratedHeader | Self::HeaderEnvelope)
    }
}

/// `sessionAffinity` as written, each field legal by itself and none beside a type that has no use for it.
pub struct Written {
    pub affinity_type: AffinityType,
    life: Life,
    cookie: Cookie,
    prefixes: Prefixes,
    /// In lower case.
    header: String,
}

const FIELDS: [&str; 6] =
    ["affinityType", "affinityCookieTtlSec", "idleTimeoutSec", "cookie", "header", "clientIp"];
/// Two weeks, Google Cloud's maximum.
const MAX_TTL_SEC: u32 = 1_209_600;

impl Written {
    /// What a service without `sessionAffinity` has.
    pub fn none() -> Self {
        Self {
            affinity_type: AffinityType::None,
            life: Life::default(),
            cookie: Cookie::default(),
            prefixes: Prefixes::default(),
            header: String::new(),
        }
    }

    /// Reads the object.
    pub fn read(field: Field<'_>, header_names: &HeaderNames) -> Result<Self, ConfigError> {
        let object = field.object(&FIELDS)?;
        let names = AffinityType::ALL.map(|kind| (kind.name(), kind));
        let affinity_type = object
            .required("affinityType", &AffinityType::ALL.map(AffinityType::name).join(", "))?
            .one_of(&names)?;
        let seconds = |name| object.get(name).map_or(Ok(0), |field| field.integer(0..=MAX_TTL_SEC));
        let life =
            Life { ttl_sec: seconds("affinityCookieTtlSec")?, idle_timeout_sec: seconds("idleTimeoutSec")? };
        let cookie = object.get("cookie").map_or_else(|| Ok(Cookie::default()), super::cookie::read)?;
        let prefixes =
            object.get("clientIp").map_or_else(|| Ok(Prefixes::default()), |field| read_prefixes(field))?;
        let header = object.get("header").map_or_else(
            || Ok(String::new()),
            |header| header_names.read_other(&header.object(&["name"])?.required("name", "a header name")?),
        )?;
        let written = Self { affinity_type, life, cookie, prefixes, header };
        written.check(&object)?;
        Ok(written)
    }

    /// What goes with which type.
    fn check(&self, object: &Object<'_>) -> Result<(), ConfigError> {
        use AffinityType as T;
        let this = self.affinity_type;
        let goes_with = |name: &str, set: bool, types: &[T]| {
            if !set || types.contains(&this) {
                return Ok(());
            }
            let types = types.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
            let wrong = format!("has no effect with affinityType {}", this.name());
            let given = object.get(name).map_or_else(String::new, |field| field.given());
            Err(refusal(&object.path_of(name), &wrong, &format!("only with {types}"), &given))
        };
        let has = |name| object.get(name).is_some();
        let with_header = [T::HeaderField, T::GeneratedHeader, T::HeaderEnvelope];
        goes_with("cookie", has("cookie"), &[T::GeneratedCookie, T::HttpCookie])?;
        goes_with("clientIp", has("clientIp"), &[T::ClientIp])?;
        goes_with("header", has("header"), &with_header)?;
        let with_token = [T::GeneratedCookie, T::GeneratedHeader, T::HeaderEnvelope];
        goes_with("idleTimeoutSec", self.life.idle_timeout_sec > 0, &with_token)?;
        // NONE and CLIENT_IP take it, as GKE does, with a warning.
        let with_ttl =
            [T::None, T::ClientIp, T::GeneratedCookie, T::HttpCookie, T::GeneratedHeader, T::HeaderEnvelope];
        goes_with("affinityCookieTtlSec", self.life.ttl_sec > 0, &with_ttl)?;
        if with_header.contains(&this) {
            object.required("header", "an object with the header's name")?;
        }
        if this == T::HttpCookie && self.cookie.hide_from_upstream {
            let path = format!("{}.hideFromUpstream", object.path_of("cookie"));
            let wrong = "has no effect with affinityType HTTP_COOKIE: the application owns the cookie";
            return Err(refusal(&path, wrong, "only with GENERATED_COOKIE", "true"));
        }
        Ok(())
    }

    /// Whether there is a TTL that does nothing.
    pub fn has_idle_ttl(&self) -> bool {
        self.life.ttl_sec > 0 && matches!(self.affinity_type, AffinityType::None | AffinityType::ClientIp)
    }

    /// What the filter does with it.
    pub fn into_affinity(self) -> Affinity {
        let Self { life, cookie, prefixes, header: name, .. } = self;
        match self.affinity_type {
            AffinityType::None => Affinity::None,
            AffinityType::ClientIp => Affinity::ClientIp(prefixes),
            AffinityType::GeneratedCookie => Affinity::GeneratedCookie { cookie, life },
            AffinityType::HttpCookie => Affinity::HttpCookie { cookie, ttl_sec: life.ttl_sec },
            AffinityType::HeaderField => Affinity::HeaderField { name },
            AffinityType::GeneratedHeader => Affinity::GeneratedHeader { name, life },
            AffinityType::HeaderEnvelope => Affinity::HeaderEnvelope { name, life },
        }
    }
}

fn read_prefixes(field: Field<'_>) -> Result<Prefixes, ConfigError> {
    let object = field.object(&["ipv4PrefixLen", "ipv6PrefixLen"])?;
    let bits = |name, max| object.get(name).map_or(Ok(max), |field: Field<'_>| field.integer(0..=max));
    Ok(Prefixes { ipv4: bits("ipv4PrefixLen", 32)?, ipv6: bits("ipv6PrefixLen", 128)? })
}
