//! What is read of headers, and what changes in them: cookies and query parameters in, `Set-Cookie` and cache headers
//! out, endpoints.

pub(crate) mod cache_control;
pub(crate) mod cookie;
pub(crate) mod cookie_date;
pub(crate) mod cookie_envelope;
pub(crate) mod endpoint;
pub(crate) mod query;
pub(crate) mod set_cookie;
pub(crate) mod set_token;

/// One change to the headers of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HeaderMutation {
    /// Adds a line beside the lines that are there.
    Add(String, Vec<u8>),
    /// Replaces all lines of the name.
    Set(String, Vec<u8>),
    /// Removes all lines of the name.
    Remove(String),
}

/// The headers of a message as Envoy gives them: name in lower case, value of any bytes.
pub(crate) type HeaderPairs = [(String, Vec<u8>)];
