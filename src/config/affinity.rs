//! `sessionAffinity`: which kind, and what goes with it.

use config_reader::{Field, Object, joined};

use super::headers::HeaderNames;
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
    pub fn read(field: Field<'_>, header_names: &HeaderNames) -> Self {
        let object = field.object(&FIELDS);
        let words = AffinityType::ALL.map(AffinityType::name);
        let allowed = joined(&words, ", ");
        let word = object.required("affinityType", &allowed).map(|field| field.word(&words));
        let affinity_type = word.and_then(|index| AffinityType::ALL.get(index).copied());
        let header = |field: Field<'_>| {
            let object = field.object(&["name"]);
            let name = object.required("name", "a header name");
            name.map(|name| header_names.read_other(&name))
        };
        let written = Self {
            affinity_type: affinity_type.unwrap_or(AffinityType::None),
            life: Life {
                ttl_sec: object.integer("affinityCookieTtlSec", 0, &(0..=MAX_TTL_SEC)),
                idle_timeout_sec: object.integer("idleTimeoutSec", 0, &(0..=MAX_TTL_SEC)),
            },
            cookie: object.get("cookie").map(super::cookie::read).unwrap_or_default(),
            prefixes: object.get("clientIp").map(read_prefixes).unwrap_or_default(),
            header: object.get("header").and_then(header).unwrap_or_default(),
        };
        written.check(&object);
        written
    }

    /// What goes with which type.
    fn check(&self, object: &Object<'_>) {
        use AffinityType as T;
        let this = self.affinity_type;
        let with_header = [T::HeaderField, T::GeneratedHeader, T::HeaderEnvelope];
        let with_token = [T::GeneratedCookie, T::GeneratedHeader, T::HeaderEnvelope];
        // NONE and CLIENT_IP take it, as GKE does, with a warning.
        let with_ttl =
            [T::None, T::ClientIp, T::GeneratedCookie, T::HttpCookie, T::GeneratedHeader, T::HeaderEnvelope];
        let companions: [(&str, bool, &[T]); 5] = [
            ("cookie", object.has("cookie"), &[T::GeneratedCookie, T::HttpCookie]),
            ("clientIp", object.has("clientIp"), &[T::ClientIp]),
            ("header", object.has("header"), &with_header),
            ("idleTimeoutSec", self.life.idle_timeout_sec > 0, &with_token),
            ("affinityCookieTtlSec", self.life.ttl_sec > 0, &with_ttl),
        ];
        for (name, set, types) in companions {
            if set && !types.contains(&this) {
                let types: Vec<_> = types.iter().map(|kind| kind.name()).collect();
                let wrong = format_args!("has no effect with affinityType {}", this.name());
                object.refuse_field(name, &wrong, &format!("only with {}", joined(&types, ", ")));
            }
        }
        if with_header.contains(&this) {
            object.required("header", "an object with the header's name");
        }
        if this == T::HttpCookie && self.cookie.hide_from_upstream {
            let cookie = object.place_of("cookie");
            let wrong = &"has no effect with affinityType HTTP_COOKIE: the application owns the cookie";
            let allowed = "only with GENERATED_COOKIE";
            object.problems().add(&cookie.field("hideFromUpstream"), wrong, allowed, &"true");
        }
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

fn read_prefixes(field: Field<'_>) -> Prefixes {
    let object = field.object(&["ipv4PrefixLen", "ipv6PrefixLen"]);
    Prefixes {
        ipv4: object.integer("ipv4PrefixLen", 32, &(0..=32)),
        ipv6: object.integer("ipv6PrefixLen", 128, &(0..=128)),
    }
}
