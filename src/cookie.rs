//! Cookies as they come and go on the wire: reading the `Cookie` header, taking our cookie out of it, path
//! matching, and writing `Set-Cookie` (RFC 6265 and its successor draft-ietf-httpbis-rfc6265bis).

use memchr::{Memchr, memchr, memchr_iter};
use serde::Deserialize;

/// Most `Set-Cookie` values of ours fit.
const SET_COOKIE_ROOM: usize = 256;

/// When our cookie is marked `Secure`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Secure {
    /// When the session began over https.
    #[default]
    Auto,
    /// On every response.
    Always,
    /// On none.
    Never,
}

/// The `SameSite` attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SameSite {
    /// `SameSite=Lax`.
    #[default]
    Lax,
    /// `SameSite=Strict`.
    Strict,
    /// `SameSite=None`, which browsers take from `Secure` cookies only.
    None,
    /// No attribute: the browser's own default.
    Unset,
}

/// A cookie's name and attributes, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// An RFC 9110 token; case matters.
    pub name: String,
    /// Where browsers send it, and where the filter knows sessions.
    pub path: String,
    /// `None`: the host that set it alone.
    pub domain: Option<String>,
    /// When it is marked `Secure`.
    pub secure: Secure,
    /// Whether scripts are kept from seeing it.
    pub http_only: bool,
    /// Whether other sites' pages may send it.
    pub same_site: SameSite,
    /// A separate jar for each top-level site (CHIPS).
    pub partitioned: bool,
    /// Whether the application never sees it.
    pub hide_from_upstream: bool,
}

impl Default for Cookie {
    fn default() -> Self {
        Self {
            name: "GCLB".to_owned(),
            path: "/".to_owned(),
            domain: None,
            secure: Secure::default(),
            http_only: true,
            same_site: SameSite::default(),
            partitioned: false,
            hide_from_upstream: false,
        }
    }
}

impl Cookie {
    /// The value of a `Set-Cookie` header. `max_age` in seconds; `None` is a cookie that ends with the browser.
    #[must_use]
    pub fn set(&self, value: &str, max_age: Option<u64>, https: bool) -> String {
        let mut line = String::with_capacity(SET_COOKIE_ROOM);
        for part in [&self.name, "=", value, "; Path=", &self.path] {
            line.push_str(part);
        }
        if let Some(domain) = &self.domain {
            line.push_str("; Domain=");
            line.push_str(domain);
        }
        if self.secure == Secure::Always || (self.secure == Secure::Auto && https) {
            line.push_str("; Secure");
        }
        if self.http_only {
            line.push_str("; HttpOnly");
        }
        line.push_str(match self.same_site {
            SameSite::Lax => "; SameSite=Lax",
            SameSite::Strict => "; SameSite=Strict",
            SameSite::None => "; SameSite=None",
            SameSite::Unset => "",
        });
        if self.partitioned {
            line.push_str("; Partitioned");
        }
        if let Some(max_age) = max_age {
            line.push_str("; Max-Age=");
            line.push_str(itoa::Buffer::new().format(max_age));
        }
        line
    }

    /// Whether a request's `:path`, query and all, lies within this cookie's path (RFC 6265, section 5.1.4):
    /// `/shop` takes `/shop`, `/shop/cart` and `/shop?x`, not `/shopping`.
    #[must_use]
    pub fn covers(&self, request_path: &[u8]) -> bool {
        let path = request_path.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
        match path.strip_prefix(self.path.as_bytes()) {
            Some(rest) => rest.is_empty() || self.path.ends_with('/') || rest.first() == Some(&b'/'),
            None => false,
        }
    }

    /// Whether the path takes every request, so that none need be looked at.
    #[must_use]
    pub fn covers_everything(&self) -> bool {
        self.path == "/"
    }
}

/// Finds the cookies of one name.
#[derive(Debug)]
pub struct Finder {
    name: Box<[u8]>,
    /// The byte of it that others' cookies have least of, by and large, and its first place.
    rarest: (usize, u8),
}

impl Finder {
    /// For the cookies of this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let commonness = |byte: u8| match byte {
            b'0'..=b'9' | b'a'..=b'f' => 2,
            b'g'..=b'z' | b'_' | b'-' | b'.' => 1,
            _ => 0,
        };
        let bytes = name.bytes().enumerate();
        let rarest = bytes.min_by_key(|(_, byte)| commonness(*byte)).unwrap_or((0, b'='));
        Self { name: name.as_bytes().into(), rarest }
    }

    /// Their values, in the order in which they came. `header` is the value of one `Cookie` header. Quotes around a
    /// value are taken off.
    #[must_use]
    pub fn values<'a>(&'a self, header: &'a [u8]) -> Values<'a> {
        let (_, byte) = self.rarest;
        Values { header, finder: self, places: memchr_iter(byte, header) }
    }
}

/// See [`Finder::values`].
#[derive(Clone, Debug)]
pub struct Values<'a> {
    header: &'a [u8],
    finder: &'a Finder,
    /// The places of the name's rarest byte in the header that were not looked at yet.
    places: Memchr<'a>,
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    /// Browsers send what they have for the whole site: what is between two of the rarest bytes is passed over many
    /// bytes at a time.
    fn next(&mut self) -> Option<&'a [u8]> {
        let Finder { name, rarest: (offset, _) } = self.finder;
        for place in &mut self.places {
            let Some(start) = place.checked_sub(*offset) else {
                continue;
            };
            let (before, from_name) = self.header.split_at_checked(start)?;
            // Nearly all that is something else ends here.
            if before.last().is_some_and(|byte| *byte != b';' && !byte.is_ascii_whitespace()) {
                continue;
            }
            let Some(after) = from_name.strip_prefix(&**name) else {
                continue;
            };
            if before.trim_ascii_end().last().is_some_and(|byte| *byte != b';') {
                continue;
            }
            if let Some(value) = after.trim_ascii_start().strip_prefix(b"=") {
                let end = memchr(b';', value).unwrap_or(value.len());
                return Some(unquoted(value.get(..end)?.trim_ascii()));
            }
        }
        None
    }
}

/// What is left of `Cookie` header lines without the cookies of a name: one line, `None` where nothing is left.
#[must_use]
pub fn without(lines: &[&[u8]], name: &str) -> Option<Vec<u8>> {
    let mut left = Vec::new();
    for line in lines {
        for pair in line.split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
            if !pair.is_empty() && value_if_named(pair, name).is_none() {
                append(&mut left, pair);
            }
        }
    }
    (!left.is_empty()).then_some(left)
}

/// Appends cookies to a `Cookie` header's value.
pub fn append(line: &mut Vec<u8>, cookies: &[u8]) {
    if !line.is_empty() {
        line.extend_from_slice(b"; ");
    }
    line.extend_from_slice(cookies);
}

/// Whether a `Set-Cookie` header's value sets the cookie of this name.
#[must_use]
pub fn sets(set_cookie: &[u8], name: &str) -> bool {
    let pair = set_cookie.split(|byte| *byte == b';').next().unwrap_or_default();
    value_if_named(pair, name).is_some()
}

fn value_if_named<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let rest = pair.trim_ascii_start().strip_prefix(name.as_bytes())?;
    Some(unquoted(rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii()))
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value)
}
