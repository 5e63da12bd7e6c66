//! The `Cookie` header: finding the cookies of a name, and removing them (RFC 6265 and its successor
//! draft-ietf-httpbis-rfc6265bis).

use memchr::memchr;

/// The values of the cookies with this name in one `Cookie` line, in order. Case matters. Quotes around a value are
/// removed.
pub(crate) fn values<'a>(line: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    pairs(line).filter_map(|pair| value_if_named(pair, name))
}

/// The `Cookie` lines as one line without the cookies of these names. `None` if no cookie remains.
pub(crate) fn without(lines: &[&[u8]], names: &[String]) -> Option<Vec<u8>> {
    let mut left = Vec::new();
    for pair in lines.iter().flat_map(|line| pairs(line)).map(<[u8]>::trim_ascii) {
        if !pair.is_empty() && !names.iter().any(|name| value_if_named(pair, name).is_some()) {
            if !left.is_empty() {
                left.extend_from_slice(b"; ");
            }
            left.extend_from_slice(pair);
        }
    }
    (!left.is_empty()).then_some(left)
}

/// The `Cookie` lines as one line, in which the values of the cookies with this name are replaced, quotes included. All
/// other bytes stay unchanged. `None` if nothing is replaced.
pub(crate) fn replaced(
    lines: &[Vec<u8>],
    name: &str,
    mut replace: impl FnMut(&[u8]) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let joined = lines.join(&b"; "[..]);
    let mut line = Vec::with_capacity(joined.len());
    let mut is_replaced = false;
    for (index, pair) in pairs(&joined).enumerate() {
        if index > 0 {
            line.push(b';');
        }
        let value = value_as_written(pair, name).and_then(|value| Some((value, replace(unquoted(value))?)));
        let Some((written, value)) = value else {
            line.extend_from_slice(pair);
            continue;
        };
        // The value is the end of the pair, without trailing blanks.
        let blanks = pair.len().saturating_sub(pair.trim_ascii_end().len());
        let value_at = pair.len().saturating_sub(written.len()).saturating_sub(blanks);
        line.extend_from_slice(pair.get(..value_at)?);
        line.extend_from_slice(&value);
        is_replaced = true;
    }
    is_replaced.then_some(line)
}

/// Splits a line at its semicolons.
fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let end = memchr(b';', line).unwrap_or(line.len());
        let (pair, after) = line.split_at_checked(end)?;
        rest = after.get(1..);
        Some(pair)
    })
}

fn value_if_named<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    value_as_written(pair, name).map(unquoted)
}

fn value_as_written<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let after_name = pair.trim_ascii_start().strip_prefix(name.as_bytes())?.trim_ascii_start();
    Some(after_name.strip_prefix(b"=")?.trim_ascii())
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Cookie;
    use crate::headers::set_cookie::{set_cookie, sets};

    /// The values of all cookies named GCLB.
    fn values(line: &[u8]) -> Vec<String> {
        super::values(line, "GCLB").map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    }

    fn without_gclb(lines: &[&[u8]]) -> Option<Vec<u8>> {
        without(lines, &["GCLB".to_owned()])
    }

    #[test]
    fn the_values_of_a_cookie_are_found_at_every_position() {
        let cases: [(&str, &[&str]); 24] = [
            ("", &[]),
            ("GCLB=x", &["x"]),
            ("a=1; GCLB=x; b=2", &["x"]),
            ("a=1;GCLB=x;b=2", &["x"]),
            ("  GCLB  =  x  ", &["x"]),
            ("\tGCLB\t=\tx\t;", &["x"]),
            ("GCLB=x; GCLB=y;GCLB=z", &["x", "y", "z"]),
            (";;; GCLB=x ;; ;", &["x"]),
            ("GCLB=\"x\"", &["x"]),
            ("GCLB=\"x", &["\"x"]),
            ("GCLB=\"", &["\""]),
            ("GCLB=\"\"", &[""]),
            ("GCLB=", &[""]),
            ("GCLB==", &["="]),
            ("GCLB=x=y", &["x=y"]),
            ("GCLB=x y", &["x y"]),
            ("GCLB=x,y", &["x,y"]),
            // Other cookies, or none.
            ("GCLB", &[]),
            ("gclb=x", &[]),
            ("GCLBX=x", &[]),
            ("XGCLB=x", &[]),
            ("a=GCLB=x", &[]),
            ("a=\"GCLB=x\"", &[]),
            ("=GCLB=x", &[]),
        ];
        for (line, expected) in cases {
            assert_eq!(values(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn replacing_a_value_changes_no_other_byte() {
        let cases: [(&[&str], Option<&str>); 10] = [
            (&[], None),
            (&["a=1"], None),
            (&["GCLB=other"], None),
            (&["GCLB=old"], Some("GCLB=new")),
            (&["a=1;GCLB=old;b=2"], Some("a=1;GCLB=new;b=2")),
            (&["a=\"1, 2\" ;  GCLB = old ;b = 2;"], Some("a=\"1, 2\" ;  GCLB = new;b = 2;")),
            (&["GCLB=\"old\"; a=1"], Some("GCLB=new; a=1")),
            (&["GCLB=old; GCLB=other; GCLB=old"], Some("GCLB=new; GCLB=other; GCLB=new")),
            (&["a=1", "GCLB=old"], Some("a=1; GCLB=new")),
            (&["gclb=old; GCLB=old"], Some("gclb=old; GCLB=new")),
        ];
        for (lines, expected) in cases {
            let lines: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
            let line = replaced(&lines, "GCLB", |value| (value == b"old").then(|| b"new".to_vec()));
            assert_eq!(line.as_deref(), expected.map(str::as_bytes), "{lines:?}");
        }
    }

    #[test]
    fn hiding_removes_the_hidden_cookies_and_does_not_change_the_others() {
        let cases: [(&[&str], Option<&str>); 13] = [
            (&[], None),
            (&["GCLB=x"], None),
            (&["GCLB=x; GCLB=y"], None),
            (&["GCLB=x", "GCLB=y"], None),
            (&["GCLB=x; a=1"], Some("a=1")),
            (&["a=1; GCLB=x; b=2"], Some("a=1; b=2")),
            (&["a=1", "GCLB=x; b=2"], Some("a=1; b=2")),
            (&["a=1;GCLB=x;b=2;"], Some("a=1; b=2")),
            (&["a=\"1, 2\"; GCLB = x"], Some("a=\"1, 2\"")),
            (&["a=1,GCLB=x; b=2"], Some("a=1,GCLB=x; b=2")),
            (&["GCLBX=1; gclb=2; GCLB; a=GCLB=3"], Some("GCLBX=1; gclb=2; GCLB; a=GCLB=3")),
            (&["a; =b; c="], Some("a; =b; c=")),
            (&[" ; ", ""], None),
        ];
        for (lines, expected) in cases {
            let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            let left = without_gclb(&lines).map(|line| String::from_utf8(line).unwrap());
            assert_eq!(left.as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn the_cookies_of_several_services_are_hidden_together() {
        let hidden = ["GCLB", "BLOG"].map(str::to_owned);
        assert_eq!(without(&[b"BLOG=1; a=2; GCLB=3"], &hidden).as_deref(), Some(&b"a=2"[..]));
        assert_eq!(without(&[b"a=2"], &[]).as_deref(), Some(&b"a=2"[..]));
    }

    #[test]
    fn a_cookie_covers_the_paths_for_which_browsers_send_it() {
        for (path, request, covered) in [
            ("/", "/", true),
            ("/", "/anything?at#all", true),
            ("/shop", "/shop", true),
            ("/shop", "/shop/", true),
            ("/shop", "/shop/cart", true),
            ("/shop", "/shop?x", true),
            ("/shop", "/shop#x", true),
            ("/shop", "/shop/?x=/y", true),
            ("/shop", "/shopping", false),
            ("/shop", "/Shop", false),
            ("/shop", "/sho", false),
            ("/shop", "/", false),
            ("/shop", "/a?b=/shop", false),
            ("/shop", "/%73hop", false),
            ("/shop", "", false),
            ("/shop", "*", false),
            ("/shop/", "/shop/", true),
            ("/shop/", "/shop/cart", true),
            ("/shop/", "/shop", false),
            ("/shop/", "/shop?x=/", false),
        ] {
            let cookie = Cookie { path: path.to_owned(), ..Cookie::default() };
            assert_eq!(cookie.covers(request.as_bytes()), covered, "{path} covers {request}");
        }
    }

    proptest! {
        #[test]
        fn cookie_lines_and_paths_of_any_bytes_are_read(bytes: Vec<u8>, path: Vec<u8>) {
            let _ = values(&bytes);
            let _ = sets(&bytes, "GCLB");
            let _ = without_gclb(&[&bytes, &path]);
            let _ = Cookie { path: "/shop".to_owned(), ..Cookie::default() }.covers(&path);
        }

        #[test]
        fn a_cookie_is_found_as_it_is_among_any_others(
            others in prop::collection::vec("[ -:<-~]{0,20}", 0..8), place: prop::sample::Index, value in "[A-Za-z0-9_-]{0,128}",
        ) {
            prop_assume!(others.iter().all(|other| !other.trim().starts_with("GCLB")));
            let mut pairs = others;
            pairs.insert(place.index(pairs.len() + 1), format!("GCLB={value}"));
            let line = pairs.join("; ");
            prop_assert_eq!(values(line.as_bytes()), vec![value]);
        }

        #[test]
        fn hiding_leaves_no_hidden_cookie_and_all_others_in_order(
            lines in prop::collection::vec(prop::collection::vec("(GCLB|GCLB |a|GCLBX|) ?(=|) ?[ -:<-~]{0,8}", 0..5), 0..4)
        ) {
            let lines: Vec<String> = lines.iter().map(|pairs| pairs.join(";")).collect();
            let lines: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
            let others = |lines: &[&[u8]]| -> Vec<Vec<u8>> {
                let pairs = lines.iter().flat_map(|line| line.split(|byte| *byte == b';'));
                let others = pairs.map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty() && !sets(pair, "GCLB"));
                others.map(<[u8]>::to_vec).collect()
            };
            let left = without_gclb(&lines).unwrap_or_default();
            prop_assert_eq!(values(&left).len(), 0);
            prop_assert_eq!(others(&[&left]), others(&lines));
        }

        #[test]
        fn a_cookie_that_the_filter_sets_is_found(value in "[A-Za-z0-9_-]{1,128}", https: bool, max_age: Option<u64>) {
            let line = set_cookie(&Cookie::default(), &value, max_age, https);
            prop_assert!(sets(line.as_bytes(), "GCLB"));
            let pair = line.split(';').next().unwrap();
            prop_assert_eq!(values(pair.as_bytes()), vec![value]);
        }
    }
}
