//! Reads and changes headers: cookies and query parameters of requests, `Set-Cookie` and cache headers of responses,
//! endpoints.

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
    /// Adds a line and keeps the other lines with this name.
    Add(String, Vec<u8>),
    /// Replaces all lines with this name.
    Set(String, Vec<u8>),
    /// Removes all lines with this name.
    Remove(String),
}

/// The headers of a message as Envoy gives them: the name in lower case, the value as any bytes.
pub(crate) type HeaderPairs = [(String, Vec<u8>)];
