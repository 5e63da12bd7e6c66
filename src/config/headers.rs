//! Names of headers: the ones the filter keeps for itself, and what a header's name may be.

use config_reader::{Field, Object};

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
    pub fn read(root: &Object<'_>) -> Self {
        let read = |name| root.get(name).map(|field| read_name(&field));
        let names = Self {
            cluster: read("clusterHeader").unwrap_or_else(|| DEFAULT_CLUSTER.to_owned()),
            endpoint: read("endpointHeader").unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned()),
            debug: read("debugHeader"),
        };
        let debug = names.debug.as_deref();
        let pairs = [
            ("endpointHeader", "clusterHeader", names.endpoint == names.cluster),
            ("debugHeader", "clusterHeader", debug == Some(names.cluster.as_str())),
            ("debugHeader", "endpointHeader", debug == Some(names.endpoint.as_str())),
        ];
        for (one, other, equal) in pairs {
            if !equal {
                continue;
            }
            // Of two equal names at most one is a default, which nobody wrote and nobody can look up here.
            match (root.get(one), root.get(other)) {
                (Some(field), Some(_)) => clash(&field, other, ""),
                (Some(field), None) => clash(&field, other, " (its default)"),
                (None, Some(field)) => clash(&field, one, " (its default)"),
                (None, None) => {}
            }
        }
        names
    }

    /// Reads the name of a header that belongs to one service.
    pub fn read_other(&self, field: &Field<'_>) -> String {
        let name = read_name(field);
        let taken = [
            ("clusterHeader", Some(&self.cluster)),
            ("endpointHeader", Some(&self.endpoint)),
            ("debugHeader", self.debug.as_ref()),
        ];
        if let Some((other, _)) = taken.into_iter().find(|(_, taken)| *taken == Some(&name)) {
            clash(field, other, "");
        }
        name
    }
}

fn clash(field: &Field<'_>, other: &str, remark: &str) {
    field.refuse(&format_args!("the same name as {other}{remark}"), "a name of its own");
}

fn read_name(field: &Field<'_>) -> String {
    field.string(is_header_name, ALLOWED).unwrap_or_default().to_ascii_lowercase()
}

fn is_header_name(text: &str) -> bool {
    text.len() <= 128 && is_token(text) && !RESERVED.iter().any(|name| text.eq_ignore_ascii_case(name))
}

/// Whether a text is a token (RFC 9110, section 5.6.2).
pub fn is_token(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(legal)
}
