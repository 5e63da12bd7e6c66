//! Header names: which names are allowed, and which headers the filter reserves.

use serde::Deserialize;

use super::error::Problem;
use super::text::{Rule, Text};

/// A header name that a configuration may use, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Text<HeaderNameRule>")]
pub(crate) struct HeaderName(String);

impl HeaderName {
    /// The name in lower case.
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl From<Text<HeaderNameRule>> for HeaderName {
    fn from(name: Text<HeaderNameRule>) -> Self {
        Self(name.as_str().to_ascii_lowercase())
    }
}

/// The rule for names of headers.
pub(crate) struct HeaderNameRule;

impl Rule for HeaderNameRule {
    const ALLOWED: &'static str = "a header name (RFC 9110 token, at most 128 bytes) that is no pseudo-header, \
        no hop-by-hop header and not cookie, set-cookie, host or content-length";
    #[cfg(feature = "schema")]
    const PATTERN: &'static str = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$";

    fn allows(text: &str) -> bool {
        text.len() <= 128 && is_token(text) && !RESERVED.iter().any(|name| text.eq_ignore_ascii_case(name))
    }
}

/// Connection-specific fields (RFC 9110, section 7.6.1, and RFC 9113, section 8.2.2), then headers that the filter or
/// Envoy uses itself.
pub(crate) const RESERVED: [&str; 13] = [
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

/// The default of `clusterHeader`.
pub(crate) const DEFAULT_CLUSTER: &str = "x-affinity-cluster";
/// The default of `endpointHeader`.
pub(crate) const DEFAULT_ENDPOINT: &str = "x-affinity-endpoint";

/// The header names at the top level of the configuration. All of them are different.
#[derive(Debug)]
pub(crate) struct HeaderNames {
    /// `clusterHeader`.
    pub(crate) cluster: HeaderName,
    /// `endpointHeader`.
    pub(crate) endpoint: HeaderName,
    /// `debugHeader`.
    pub(crate) debug: Option<HeaderName>,
}

impl HeaderNames {
    /// Fills in the defaults and checks that the names differ.
    pub(crate) fn new(
        cluster: Option<HeaderName>,
        endpoint: Option<HeaderName>,
        debug: Option<HeaderName>,
    ) -> Result<Self, Problem> {
        let (cluster_is_default, endpoint_is_default) = (cluster.is_none(), endpoint.is_none());
        let default = |name: &str| HeaderName(name.to_owned());
        let cluster = cluster.unwrap_or_else(|| default(DEFAULT_CLUSTER));
        let endpoint = endpoint.unwrap_or_else(|| default(DEFAULT_ENDPOINT));
        // A default does not appear in the configuration, so the error names the other field.
        if endpoint == cluster {
            return Err(match (endpoint_is_default, cluster_is_default) {
                (true, _) => clash("endpointHeader", true).within("clusterHeader"),
                (false, is_default) => clash("clusterHeader", is_default).within("endpointHeader"),
            });
        }
        let others = [
            ("clusterHeader", &cluster, cluster_is_default),
            ("endpointHeader", &endpoint, endpoint_is_default),
        ];
        for (field, name, is_default) in others {
            if debug.as_ref() == Some(name) {
                return Err(clash(field, is_default).within("debugHeader"));
            }
        }
        Ok(Self { cluster, endpoint, debug })
    }

    /// Checks that the header of a service has a different name.
    pub(crate) fn check_other(&self, other: &HeaderName) -> Result<(), Problem> {
        let taken = [
            ("clusterHeader", Some(&self.cluster)),
            ("endpointHeader", Some(&self.endpoint)),
            ("debugHeader", self.debug.as_ref()),
        ];
        match taken.into_iter().find(|(_, name)| *name == Some(other)) {
            Some((field, _)) => Err(clash(field, false)),
            None => Ok(()),
        }
    }
}

fn clash(field: &str, is_default: bool) -> Problem {
    let remark = if is_default { " (its default)" } else { "" };
    Problem::new(format!("the same name as {field}{remark}"), "a different name")
}

/// Whether the text is a token (RFC 9110, section 5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(legal)
}
