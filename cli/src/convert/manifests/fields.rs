//! What the fields of several kinds have in common.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, Unexpected, Visitor};
use serde::{Deserialize as Derive, Serialize};
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

/// The name of an object: nothing but what Kubernetes allows, as it goes into clusters, cookies and files.
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

/// A name in DNS (RFC 1123), as Kubernetes reads it.
pub fn is_subdomain(name: &str) -> bool {
    let is_label = |label: &str| {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.bytes().all(legal) && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// A port by its number or by its name, Kubernetes' `IntOrString`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortRef {
    Number(u16),
    Name(String),
}

impl fmt::Display for PortRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl<'de> Deserialize<'de> for PortRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Port;
        impl Visitor<'_> for Port {
            type Value = PortRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer from 1 to 65535, or a port's name")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<PortRef, E> {
                let port = u16::try_from(number).ok().filter(|number| *number > 0);
                port.map(PortRef::Number).ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<PortRef, E> {
                self.visit_i64(number.try_into().unwrap_or(i64::MAX))
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<PortRef, E> {
                Ok(PortRef::Name(name.to_owned()))
            }
        }
        deserializer.deserialize_any(Port)
    }
}

/// An integer from `MIN` to `MAX`. Text is no integer, even where it holds one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Int<const MIN: u32, const MAX: u32>(pub u32);

/// The number of a port.
pub type Port = Int<1, 65535>;

impl Port {
    /// The number.
    pub fn number(self) -> u16 {
        u16::try_from(self.0).unwrap_or_default()
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Int<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Integer<const MIN: u32, const MAX: u32>;
        impl<const MIN: u32, const MAX: u32> Visitor<'_> for Integer<MIN, MAX> {
            type Value = Int<MIN, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an integer from {MIN} to {MAX}")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                let bounded = u32::try_from(number).ok().filter(|number| (MIN..=MAX).contains(number));
                bounded.map(Int).ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                self.visit_i64(number.try_into().unwrap_or(i64::MAX))
            }
        }
        deserializer.deserialize_any(Integer)
    }
}

/// A boolean. Text is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flag(pub bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Boolean;
        impl Visitor<'_> for Boolean {
            type Value = Flag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true or false")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Flag, E> {
                Ok(Flag(value))
            }
        }
        deserializer.deserialize_any(Boolean)
    }
}

/// A share of requests, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(pub f64);

impl Share {
    /// The same in millionths.
    pub fn millionths(self) -> u32 {
        // From 0 to 1: the product fits, and its sign is right.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let millionths = (self.0 * 1_000_000.0).round() as u32;
        millionths
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fraction;
        impl Visitor<'_> for Fraction {
            type Value = Share;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number from 0 to 1")
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Share, E> {
                let is_share = (0.0..=1.0).contains(&number);
                if is_share {
                    Ok(Share(number))
                } else {
                    Err(E::invalid_value(Unexpected::Float(number), &self))
                }
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Share, E> {
                self.visit_f64(u32::try_from(number).map_or(f64::INFINITY, f64::from))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Share, E> {
                self.visit_f64(i32::try_from(number).map_or(f64::INFINITY, f64::from))
            }
        }
        deserializer.deserialize_any(Fraction)
    }
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
