//! Types of fields that several kinds share.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize as Derive;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A manifest's `metadata`.
#[derive(Debug, Derive)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[allow(dead_code, reason = "fields that say nothing about where requests go are known, and not read")]
pub struct Metadata {
    pub name: Spanned<Name>,
    pub namespace: Option<Spanned<Name>>,
    pub annotations: Option<BTreeMap<String, Spanned<String>>>,
    labels: Option<BTreeMap<String, String>>,
    cluster_name: Option<IgnoredAny>,
    creation_timestamp: Option<IgnoredAny>,
    deletion_grace_period_seconds: Option<IgnoredAny>,
    deletion_timestamp: Option<IgnoredAny>,
    finalizers: Option<IgnoredAny>,
    generate_name: Option<IgnoredAny>,
    generation: Option<IgnoredAny>,
    managed_fields: Option<IgnoredAny>,
    owner_references: Option<IgnoredAny>,
    resource_version: Option<IgnoredAny>,
    self_link: Option<IgnoredAny>,
    uid: Option<IgnoredAny>,
}

/// The name of an object. Only names that Kubernetes allows, because the name is used in clusters, cookies and files.
#[derive(Clone, Debug, PartialEq, Eq, Derive)]
#[serde(try_from = "String")]
pub struct Name(String);

impl Name {
    /// The name.
    pub fn get(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if is_subdomain(&name) {
            return Ok(Self(name));
        }
        Err(format!(
            "not a name: {name:?}, expected lower-case letters, digits, `-` and `.`, at most 253, with letters or \
             digits first and last"
        ))
    }
}

/// Whether the name is a DNS subdomain (RFC 1123), as Kubernetes defines it.
pub fn is_subdomain(name: &str) -> bool {
    let is_label = |label: &str| {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.bytes().all(legal) && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// A port by its number or by its name, Kubernetes' `IntOrString`.
#[derive(Clone, Debug, PartialEq, Eq, Derive)]
#[serde(try_from = "Scalar")]
pub enum PortRef {
    Number(u16),
    Name(String),
}

impl PortRef {
    /// The number, if the reference is a number.
    pub fn number(&self) -> Option<u16> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }
}

impl fmt::Display for PortRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl TryFrom<Scalar> for PortRef {
    type Error = String;

    fn try_from(scalar: Scalar) -> Result<Self, String> {
        let number =
            scalar.integer().and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0);
        match (number, scalar) {
            (Some(number), _) => Ok(Self::Number(number)),
            (None, Scalar::Text(name)) => Ok(Self::Name(name)),
            (None, other) => Err(other.refused("an integer from 1 to 65535, or a port's name")),
        }
    }
}

/// A scalar as written. Quoted text is not a number or a boolean, even if it looks like one.
#[derive(Debug)]
pub enum Scalar {
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    /// `null`, a list or a mapping, as text for an error. No field accepts it.
    Other(&'static str),
}

impl Scalar {
    fn integer(&self) -> Option<i64> {
        if let Self::Integer(number) = *self { Some(number) } else { None }
    }

    fn refused(&self, expected: &str) -> String {
        let given = match self {
            Self::Bool(value) => value.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Text(text) => format!("{text:?}"),
            Self::Other(kind) => (*kind).to_owned(),
        };
        format!("invalid value: {given}, expected {expected}")
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyScalar;
        impl<'de> Visitor<'de> for AnyScalar {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a boolean or text")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(value))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar::Integer(number))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar::Integer(number.try_into().unwrap_or(i64::MAX)))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar::Float(number))
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }

            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar::Other("null"))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scalar, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other("a list"))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Scalar, A::Error> {
                while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other("a mapping"))
            }
        }
        deserializer.deserialize_any(AnyScalar)
    }
}

/// An integer from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Derive)]
#[serde(try_from = "Scalar")]
pub struct Int<const MIN: u32, const MAX: u32>(pub u32);

/// The number of a port.
pub type Port = Int<1, 65535>;

/// A boolean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Derive)]
#[serde(try_from = "Scalar")]
pub struct Flag(pub bool);

/// A share of requests, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Derive)]
#[serde(try_from = "Scalar")]
pub struct Share(pub f64);

impl Port {
    /// The number.
    pub fn number(self) -> u16 {
        u16::try_from(self.0).unwrap_or_default()
    }
}

impl Share {
    /// The share in millionths.
    pub fn millionths(self) -> u32 {
        // The share is from 0 to 1, so the product fits.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let millionths = (self.0 * 1_000_000.0).round() as u32;
        millionths
    }
}

impl<const MIN: u32, const MAX: u32> TryFrom<Scalar> for Int<MIN, MAX> {
    type Error = String;

    fn try_from(scalar: Scalar) -> Result<Self, String> {
        let number = scalar.integer().and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| (MIN..=MAX).contains(number));
        number.map(Self).ok_or_else(|| scalar.refused(&format!("an integer from {MIN} to {MAX}")))
    }
}

impl TryFrom<Scalar> for Flag {
    type Error = String;

    fn try_from(scalar: Scalar) -> Result<Self, String> {
        if let Scalar::Bool(value) = scalar { Ok(Self(value)) } else { Err(scalar.refused("true or false")) }
    }
}

impl TryFrom<Scalar> for Share {
    type Error = String;

    fn try_from(scalar: Scalar) -> Result<Self, String> {
        let number = match scalar {
            Scalar::Integer(number) => i32::try_from(number).ok().map(f64::from),
            Scalar::Float(number) => Some(number),
            _ => None,
        };
        let share = number.filter(|number| (0.0..=1.0).contains(number));
        share.map(Self).ok_or_else(|| scalar.refused("a number from 0 to 1"))
    }
}

/// Whether a text is a valid name of a header (RFC 9110, `token`).
pub fn is_token(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_allowed)
}

/// The path of a health check.
#[derive(Clone, Debug, Derive)]
#[serde(try_from = "String")]
pub struct RequestPath(pub String);

impl TryFrom<String> for RequestPath {
    type Error = String;

    fn try_from(path: String) -> Result<Self, String> {
        if path.starts_with('/') && path.len() <= 1024 && path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(path));
        }
        Err(format!("not a path: {path:?}, expected `/` and visible ASCII, at most 1024 bytes"))
    }
}
