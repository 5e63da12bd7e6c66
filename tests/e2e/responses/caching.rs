//! A shared cache must not store a response that carries a token.

use std::collections::BTreeSet;

use harness::client::Reply;
use serde_json::json;

use super::{answered, obedient};
use crate::support::outcome;

/// All directives of all `Cache-Control` lines. (No quoted string here contains a comma and a space.)
fn directives(reply: &Reply) -> BTreeSet<String> {
    let lines = reply.headers.get_all("cache-control").iter().map(|line| line.to_str().unwrap());
    lines.flat_map(|line| line.split(", ")).map(str::to_owned).collect()
}

/// The application's `Cache-Control`, and the `Cache-Control` of a response with a token.
const CASES: [(&[&str], &[&str]); 14] = [
    (&[], &["private"]),
    (&["public"], &["private"]),
    (&["public, max-age=60"], &["max-age=60", "private"]),
    (&["max-age=60, s-maxage=600, must-revalidate"], &["max-age=60", "must-revalidate", "private"]),
    (&["PUBLIC, S-MaxAge=5, Max-Age=6"], &["Max-Age=6", "private"]),
    (&["no-store"], &["no-store"]),
    (&["No-Store, public"], &["No-Store"]),
    (&["no-cache"], &["no-cache", "private"]),
    (&["private, max-age=60"], &["private", "max-age=60"]),
    (&["private, s-maxage=60"], &["private"]),
    (&["public", "max-age=60", "s-maxage=600"], &["max-age=60", "private"]),
    (&["private=\"x-a\", max-age=1"], &["private=\"x-a\"", "max-age=1", "private"]),
    (&["x=\"a,public,s-maxage=1\", public=yes"], &["x=\"a,public,s-maxage=1\"", "private"]),
    (&["max-age=60 , ,public ,"], &["max-age=60", "private"]),
];

#[tokio::test]
async fn a_response_with_a_token_is_made_uncacheable_for_shared_caches() {
    let (_pods, envoy) = obedient(&json!({})).await;
    for (said, expected) in CASES {
        let lines: Vec<_> = said.iter().map(|line| format!("cache-control: {line}")).collect();
        let mut lines: Vec<_> = lines.iter().map(String::as_str).collect();
        lines.extend([
            "surrogate-control: max-age=9",
            "cdn-cache-control: max-age=8",
            "CDN-Cache-Control: public",
        ]);
        lines.extend(["expires: Thu, 01 Jan 2026 00:00:00 GMT", "vary: accept", "etag: \"1\""]);
        let reply = answered(&envoy, "a=1", &lines).await;
        assert_eq!((&*outcome(&reply), reply.set_cookies.len()), ("assigned", 1));
        assert_eq!(directives(&reply), expected.iter().map(ToString::to_string).collect(), "{said:?}");
        for gone in ["surrogate-control", "cdn-cache-control"] {
            assert_eq!(reply.header(gone), None);
        }
        for (name, kept) in
            [("vary", "accept"), ("etag", "\"1\""), ("expires", "Thu, 01 Jan 2026 00:00:00 GMT")]
        {
            assert_eq!(reply.header(name).unwrap(), kept);
        }
    }
}

#[tokio::test]
async fn a_response_without_a_token_is_cached_as_the_application_says() {
    let (_pods, envoy) = obedient(&json!({})).await;
    let first = answered(&envoy, "a=1", &[]).await;
    let ours = first.cookie_pair("GCLB").unwrap();
    for (said, _) in CASES {
        let lines: Vec<_> = said.iter().map(|line| format!("cache-control: {line}")).collect();
        let mut lines: Vec<_> = lines.iter().map(String::as_str).collect();
        lines.extend(["surrogate-control: max-age=9", "cdn-cache-control: max-age=8"]);
        let reply = answered(&envoy, ours, &lines).await;
        assert_eq!((&*outcome(&reply), reply.set_cookies.len()), ("pinned", 0));
        // Envoy itself joins several lines into one.
        let kept = reply.header("cache-control").unwrap_or_default();
        assert_eq!(kept, said.join(",").trim());
        assert_eq!(reply.header("surrogate-control").unwrap(), "max-age=9");
        assert_eq!(reply.header("cdn-cache-control").unwrap(), "max-age=8");
    }
}
