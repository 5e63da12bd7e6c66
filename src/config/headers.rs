//! Names of headers: the ones the filter keeps for itself, and what a header's name may be.

use config_reader::{ConfigError, Field, Object, Result};

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

/// `clusterHeader` where it is left out.
pub const DEFAULT_CLUSTER: &str = "x-affinity-cluster";
/// `endpointHeader` where it is left out.
pub const DEFAULT_ENDPOINT: &str = "x-affinity-endpoint";

const ALLOWED: &str = "a header name (RFC 9110 token, at most 128 bytes) that is no pseudo-header, \
    no hop-by-hop header and not cookie, set-cookie, host or content-length";

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
    pub fn read(root: &Object<'_>) -> Result<Self> {
        let mut names =
            Self { cluster: DEFAULT_CLUSTER.to_owned(), endpoint: DEFAULT_ENDPOINT.to_owned(), debug: None };
        names.read_over(root)?;
        Ok(names)
    }

    fn read_over(&mut self, root: &Object<'_>) -> Result<()> {
        if let Some(field) = root.get("clusterHeader") {
            self.cluster = read_name(&field)?;
        }
        if let Some(field) = root.get("endpointHeader") {
            self.endpoint = read_name(&field)?;
        }
        if let Some(field) = root.get("debugHeader") {
            self.debug = Some(read_name(&field)?);
        }
        let debug = self.debug.as_deref();
        let pairs = [
            ("endpointHeader", "clusterHeader", self.endpoint == self.cluster),
            ("debugHeader", "clusterHeader", debug == Some(self.cluster.as_str())),
            ("debugHeader", "endpointHeader", debug == Some(self.endpoint.as_str())),
        ];
        for (one, other, equal) in pairs {
            if !equal {
                continue;
            }
            // Of two equal names at most one is a default, which nobody wrote and nobody can look up here.
            return Err(match (root.get(one), root.get(other)) {
                (Some(field), Some(_)) => clash(&field, other, ""),
                (Some(field), None) => clash(&field, other, " (its default)"),
                (None, Some(field)) => clash(&field, one, " (its default)"),
                (None, None) => continue,
            });
        }
        Ok(())
    }

    /// Reads the name of a header that belongs to one service.
    pub fn read_other(&self, field: &Field<'_>) -> Result<String> {
        let name = read_name(field)?;
        let taken = [
            ("clusterHeader", Some(&self.cluster)),
            ("endpointHeader", Some(&self.endpoint)),
            ("debugHeader", self.debug.as_ref()),
        ];
        match taken.into_iter().find(|(_, taken)| *taken == Some(&name)) {
            Some((other, _)) => Err(clash(field, other, "")),
            None => Ok(name),
        }
    }
}

fn clash(field: &Field<'_>, other: &str, remark: &str) -> Box<ConfigError> {
    field.error(&format_args!("the same name as {other}{remark}"), "a name of its own")
}

fn read_name(field: &Field<'_>) -> Result<String> {
    Ok(field.string(is_header_name, ALLOWED)?.to_ascii_lowercase())
}

fn is_header_name(text: &str) -> bool {
    text.len() <= 128 && is_token(text) && !RESERVED.iter().any(|name| text.eq_ignore_ascii_case(name))
}

/// Whether a text is a token (RFC 9110, section 5.6.2).
pub fn is_token(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(legal)
}
