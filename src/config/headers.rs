//! Names of headers: the ones the filter keeps for itself, and what a header's name may be.

use super::reader::{ConfigError, Field, Object};

/// The headers named beside the services, all in lower case.
#[derive(Debug)]
pub struct HeaderNames {
    /// `clusterHeader`.
    pub cluster: String,
    /// `endpointHeader`.
    pub endpoint: String,
    /// `debugHeader`.
    pub debug: Option<String>,
}

const ALLOWED: &str = "a header name (RFC 9110 token, at most 128 bytes) that is no pseudo-header, \
    no hop-by-hop header and not cookie, set-cookie or host";

/// Connection-specific fields (RFC 9110, section 7.6.1, and RFC 9113, section 8.2.2), then those that the filter
/// or Envoy needs for themselves.
const RESERVED: [&str; 13] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "cookie",
    "set-cookie",
    "host",
    "content-length",
];

impl HeaderNames {
    /// Reads them off the top level, and sees that they differ.
    pub fn read(root: &Object<'_>) -> Result<Self, ConfigError> {
        let read = |name: &str| root.get(name).map(|field| read_name(&field)).transpose();
        let names = Self {
            cluster: read("clusterHeader")?.unwrap_or_else(|| "x-affinity-cluster".to_owned()),
            endpoint: read("endpointHeader")?.unwrap_or_else(|| "x-affinity-endpoint".to_owned()),
            debug: read("debugHeader")?,
        };
        if names.cluster == names.endpoint {
            let field = root.get("endpointHeader").or_else(|| root.get("clusterHeader"));
            return Err(field.map_or_else(|| root.error("headers clash", DISTINCT), |f| clash(&f)));
        }
        match root.get("debugHeader") {
            Some(field) if names.debug.as_ref().is_some_and(|name| names.reserves(name)) => {
                Err(clash(&field))
            }
            _ => Ok(names),
        }
    }

    /// Reads the name of a header that belongs to one service.
    pub fn read_other(&self, field: &Field<'_>) -> Result<String, ConfigError> {
        let name = read_name(field)?;
        if self.reserves(&name) || self.debug.as_ref() == Some(&name) { Err(clash(field)) } else { Ok(name) }
    }

    fn reserves(&self, name: &str) -> bool {
        name == self.cluster || name == self.endpoint
    }
}

const DISTINCT: &str = "a name that differs from clusterHeader, endpointHeader and debugHeader";

fn clash(field: &Field<'_>) -> ConfigError {
    field.error("the name of another header of this configuration", DISTINCT)
}

fn read_name(field: &Field<'_>) -> Result<String, ConfigError> {
    let legal = |name: &str| {
        name.len() <= 128 && is_token(name) && !RESERVED.contains(&name.to_ascii_lowercase().as_str())
    };
    Ok(field.string_that(legal, ALLOWED)?.to_ascii_lowercase())
}

/// Whether a text is a token (RFC 9110, section 5.6.2).
pub fn is_token(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(legal)
}
