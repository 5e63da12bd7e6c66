//! Keeps a response with a token out of shared caches, because a shared cache would give the session to other clients
//! (RFC 9111, section 5.2.2; RFC 9213 for targeted fields).

use super::{HeaderMutation, HeaderPairs};

const CACHE_CONTROL: &str = "cache-control";

/// Fields that only shared caches read. A targeted field of RFC 9213 ends in `cdn-cache-control`.
const SHARED_CACHE_FIELDS: [&str; 4] =
    ["surrogate-control", "edge-control", "x-accel-expires", "akamai-cache-control"];

/// The changes that keep the response out of shared caches.
pub(crate) fn keep_out_of_shared_caches(response: &HeaderPairs) -> Vec<HeaderMutation> {
    let mut mutations = Vec::new();
    let lines: Vec<&[u8]> = response
        .iter()
        .filter(|(name, _)| name == CACHE_CONTROL)
        .map(|(_, value)| value.as_slice())
        .collect();
    if let Some(value) = uncacheable(&lines) {
        mutations.push(HeaderMutation::Set(CACHE_CONTROL.to_owned(), value));
    }
    let is_for_shared_caches =
        |name: &str| SHARED_CACHE_FIELDS.contains(&name) || name.ends_with("cdn-cache-control");
    for (name, _) in response.iter().filter(|(name, _)| is_for_shared_caches(name)) {
        let removal = HeaderMutation::Remove(name.clone());
        if !mutations.contains(&removal) {
            mutations.push(removal);
        }
    }
    mutations
}

/// The `Cache-Control` that keeps a response out of shared caches, made from the lines of the response. `public` and
/// `s-maxage` are removed. `private` is added unless there is `no-store`. `None` if the lines need no change.
fn uncacheable(lines: &[&[u8]]) -> Option<Vec<u8>> {
    let mut kept = Vec::new();
    let (mut is_private, mut is_unchanged) = (false, true);
    for directive in lines.iter().flat_map(|line| directives(line)) {
        let name = directive.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"public") || name.eq_ignore_ascii_case(b"s-maxage") {
            is_unchanged = false;
            continue;
        }
        is_private |=
            directive.eq_ignore_ascii_case(b"private") || directive.eq_ignore_ascii_case(b"no-store");
        append(&mut kept, directive);
    }
    if is_private {
        return (!is_unchanged).then_some(kept);
    }
    // `private` comes first, so that it is never inside an unclosed quoted string.
    let mut value = b"private".to_vec();
    if !kept.is_empty() {
        append(&mut value, &kept);
    }
    Some(value)
}

fn append(value: &mut Vec<u8>, directive: &[u8]) {
    if !value.is_empty() {
        value.extend_from_slice(b", ");
    }
    value.extend_from_slice(directive);
}

/// Splits a field's value at its commas, except for commas in quoted strings.
fn directives(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    line.split(move |byte| {
        match (*byte, quoted, escaped) {
            (_, true, true) => escaped = false,
            (b'\\', true, false) => escaped = true,
            (b'"', _, _) => quoted = !quoted,
            _ => {}
        }
        *byte == b',' && !quoted
    })
    .map(<[u8]>::trim_ascii)
    .filter(|directive| !directive.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The `Cache-Control` that replaces these lines, or "(same)" if the lines stay.
    fn changed(lines: &[&str]) -> String {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        uncacheable(&lines).map_or("(same)".to_owned(), |value| String::from_utf8(value).unwrap())
    }

    #[test]
    fn no_shared_cache_stores_a_response_with_a_token() {
        let cases: [(&[&str], &str); 28] = [
            (&[], "private"),
            (&[""], "private"),
            (&[" , ,"], "private"),
            (&["max-age=60"], "private, max-age=60"),
            (&["public"], "private"),
            (&["public, max-age=60"], "private, max-age=60"),
            (&["max-age=60, s-maxage=600"], "private, max-age=60"),
            (&["public, s-maxage=600, immutable"], "private, immutable"),
            (&["PUBLIC , S-MaxAge = 600"], "private"),
            (&["public=x"], "private"),
            // The lines are enough.
            (&["private"], "(same)"),
            (&["Private"], "(same)"),
            (&["private, max-age=60"], "(same)"),
            (&["no-store"], "(same)"),
            (&["no-cache, no-store, must-revalidate"], "(same)"),
            // The lines are enough, although they contradict each other.
            (&["no-store, public"], "no-store"),
            (&["private, s-maxage=9"], "private"),
            // no-cache allows a cache to store the response.
            (&["no-cache"], "private, no-cache"),
            // private="field" keeps only that field out of shared caches.
            (&["private=\"set-cookie\""], "private, private=\"set-cookie\""),
            (&["private=\"a, no-store, b\""], "private, private=\"a, no-store, b\""),
            (&["no-cache=\"public\""], "private, no-cache=\"public\""),
            (&["x=\"a\\\", private\", max-age=1"], "private, x=\"a\\\", private\", max-age=1"),
            (&["x=\"never closed, private"], "private, x=\"never closed, private"),
            // Several lines become one.
            (&["max-age=60", "public"], "private, max-age=60"),
            (&["max-age=60", "private"], "(same)"),
            (&["public", "private"], "private"),
            // Names that only begin with the same letters.
            (&["public-ish, xprivate"], "private, public-ish, xprivate"),
            (&["no-store-at-all"], "private, no-store-at-all"),
        ];
        for (lines, expected) in cases {
            assert_eq!(changed(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn fields_for_shared_caches_are_removed() {
        for (name, is_removed) in [
            ("surrogate-control", true),
            ("edge-control", true),
            ("x-accel-expires", true),
            ("akamai-cache-control", true),
            // Targeted fields of RFC 9213.
            ("cdn-cache-control", true),
            ("cloudflare-cdn-cache-control", true),
            ("x-surrogate-control", false),
            ("cdn-cache-control-x", false),
            ("expires", false),
        ] {
            let response = [
                ("cache-control".to_owned(), b"private".to_vec()),
                (name.to_owned(), b"max-age=9".to_vec()),
                (name.to_owned(), b"max-age=8".to_vec()),
            ];
            let expected = if is_removed { vec![HeaderMutation::Remove(name.to_owned())] } else { vec![] };
            assert_eq!(keep_out_of_shared_caches(&response), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_second_change_changes_nothing(lines: Vec<Vec<u8>>) {
            let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
            if let Some(value) = uncacheable(&lines) {
                prop_assert_eq!(uncacheable(&[&value]), None);
            }
        }

        #[test]
        fn directives_in_any_order_and_case_become_safe(
            directives in prop::collection::vec("(?i)public|private|no-store|s-maxage=1|max-age=1|no-cache", 0..6)
        ) {
            let line = directives.join(",");
            let value = match uncacheable(&[line.as_bytes()]) {
                Some(value) => String::from_utf8(value).unwrap(),
                None => line,
            };
            let value = value.to_lowercase();
            prop_assert!(value.contains("private") || value.contains("no-store"), "{}", value);
            prop_assert!(!value.contains("public") && !value.contains("s-maxage"), "{}", value);
        }
    }
}
