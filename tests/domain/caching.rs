//! `Cache-Control` of responses that carry a token.

use proptest::prelude::*;
use session_affinity::caching::uncacheable_by_shared_caches;

/// The value that takes the place of these lines; "(same)" where they may stay.
fn changed(lines: &[&str]) -> String {
    let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
    uncacheable_by_shared_caches(&lines)
        .map_or("(same)".to_owned(), |value| String::from_utf8(value).unwrap())
}

#[test]
fn no_shared_cache_keeps_a_response_with_a_token() {
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
        // Enough said already.
        (&["private"], "(same)"),
        (&["Private"], "(same)"),
        (&["private, max-age=60"], "(same)"),
        (&["no-store"], "(same)"),
        (&["no-cache, no-store, must-revalidate"], "(same)"),
        // Enough said, and more that has to go.
        (&["no-store, public"], "no-store"),
        (&["private, s-maxage=9"], "private"),
        // no-cache lets a cache store.
        (&["no-cache"], "private, no-cache"),
        // private="field" keeps only that field from shared caches.
        (&["private=\"set-cookie\""], "private, private=\"set-cookie\""),
        (&["private=\"a, no-store, b\""], "private, private=\"a, no-store, b\""),
        (&["no-cache=\"public\""], "private, no-cache=\"public\""),
        (&["x=\"a\\\", private\", max-age=1"], "private, x=\"a\\\", private\", max-age=1"),
        (&["x=\"never closed, private"], "private, x=\"never closed, private"),
        // Several lines become one.
        (&["max-age=60", "public"], "private, max-age=60"),
        (&["max-age=60", "private"], "(same)"),
        (&["public", "private"], "private"),
        // Names that only begin alike.
        (&["public-ish, xprivate"], "private, public-ish, xprivate"),
        (&["no-store-at-all"], "private, no-store-at-all"),
    ];
    for (lines, expected) in cases {
        assert_eq!(changed(lines), expected, "{lines:?}");
    }
}

proptest! {
    #[test]
    fn what_was_made_uncacheable_needs_no_other_change(lines: Vec<Vec<u8>>) {
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        if let Some(value) = uncacheable_by_shared_caches(&lines) {
            prop_assert_eq!(uncacheable_by_shared_caches(&[&value]), None);
        }
    }

    #[test]
    fn directives_in_any_order_and_case_come_out_safe(
        directives in prop::collection::vec("(?i)public|private|no-store|s-maxage=1|max-age=1|no-cache", 0..6)
    ) {
        let line = directives.join(",");
        let value = match uncacheable_by_shared_caches(&[line.as_bytes()]) {
            Some(value) => String::from_utf8(value).unwrap(),
            None => line,
        };
        let value = value.to_lowercase();
        prop_assert!(value.contains("private") || value.contains("no-store"), "{}", value);
        prop_assert!(!value.contains("public") && !value.contains("s-maxage"), "{}", value);
    }
}
