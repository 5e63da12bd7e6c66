//! Query parameters of a request.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// The value of the first parameter of this name in a request's `:path`, percent-decoded (RFC 3986, section 2.1). The
/// name in the path is percent-decoded too. `None` if there is no such parameter or if its first value is empty.
pub(crate) fn parameter<'p>(path: &'p [u8], name: &str) -> Option<Cow<'p, [u8]>> {
    let path = path.split(|byte| *byte == b'#').next()?;
    let (_, query) = split_at_first(path, b'?')?;
    let parameter = query.split(|byte| *byte == b'&').find_map(|parameter| {
        let (key, value) = split_at_first(parameter, b'=').unwrap_or((parameter, b""));
        percent_decode(key).eq(name.bytes()).then_some(value)
    });
    parameter.filter(|value| !value.is_empty()).map(|value| percent_decode(value).into())
}

/// The bytes before the first separator, and the bytes after it.
fn split_at_first(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let mut parts = bytes.splitn(2, |byte| *byte == separator);
    Some((parts.next()?, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_parameter_with_the_name_is_percent_decoded() {
        for (path, value) in [
            ("/?user=ann", Some("ann")),
            ("/a?x=1&user=ann&user=bob", Some("ann")),
            ("/?user=a%6En%2F%3D", Some("ann/=")),
            ("/?us%65r=ann", Some("ann")),
            ("/?user=a=b", Some("a=b")),
            ("/?user=a+b", Some("a+b")),
            ("/?user=100%", Some("100%")),
            ("/?user=ann#user=bob", Some("ann")),
            ("/?user=", None),
            ("/?user", None),
            ("/?user=&user=ann", None),
            ("/?User=ann", None),
            ("/?xuser=ann", None),
            ("/user=ann", None),
            ("/#?user=ann", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(parameter(path.as_bytes(), "user").as_deref(), value.map(str::as_bytes), "{path}");
        }
    }

    #[test]
    fn a_value_may_be_any_bytes() {
        assert_eq!(parameter(b"/?user=\xff%00", "user").as_deref(), Some(&b"\xff\0"[..]));
    }
}
