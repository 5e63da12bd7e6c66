//! Cookies on the wire.

use proptest::prelude::*;
use session_affinity::cookie::{Cookie, Finder, SameSite, Secure, sets, without};

/// The values of all cookies named GCLB.
fn values(header: &[u8]) -> Vec<String> {
    Finder::new("GCLB").values(header).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

#[test]
fn the_values_of_our_cookie_are_found_wherever_they_stand() {
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
        // Not ours.
        ("GCLB", &[]),
        ("gclb=x", &[]),
        ("GCLBX=x", &[]),
        ("XGCLB=x", &[]),
        ("a=GCLB=x", &[]),
        ("a=\"GCLB=x\"", &[]),
        ("=GCLB=x", &[]),
    ];
    for (header, expected) in cases {
        assert_eq!(values(header.as_bytes()), expected, "{header}");
    }
}

#[test]
fn hiding_takes_out_our_cookies_and_leaves_the_others_as_they_are() {
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
        let kept = without(&lines, "GCLB").map(|line| String::from_utf8(line).unwrap());
        assert_eq!(kept.as_deref(), expected, "{lines:?}");
    }
}

#[test]
fn a_cookie_covers_the_paths_that_browsers_send_it_for() {
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

#[test]
fn an_application_sets_our_cookie_only_by_its_exact_name() {
    for (line, ours) in [
        ("GCLB=x", true),
        ("GCLB=x; Path=/; HttpOnly", true),
        ("GCLB=; Max-Age=0", true),
        (" GCLB = x", true),
        ("gclb=x", false),
        ("GCLBX=x", false),
        ("XGCLB=x", false),
        ("a=1; GCLB=x", false),
        ("a=GCLB=x", false),
        ("GCLB", false),
        ("GCLB; Path=/", false),
        ("", false),
    ] {
        assert_eq!(sets(line.as_bytes(), "GCLB"), ours, "{line}");
    }
}

#[test]
fn set_cookie_says_what_is_configured() {
    let plain = Cookie { same_site: SameSite::Unset, http_only: false, ..Cookie::default() };
    let cases = [
        (Cookie::default(), None, false, "GCLB=v; Path=/; HttpOnly; SameSite=Lax"),
        (Cookie::default(), Some(50), true, "GCLB=v; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=50"),
        (Cookie::default(), Some(0), false, "GCLB=v; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"),
        (plain.clone(), None, false, "GCLB=v; Path=/"),
        (plain.clone(), None, true, "GCLB=v; Path=/; Secure"),
        (Cookie { secure: Secure::Never, ..plain.clone() }, None, true, "GCLB=v; Path=/"),
        (Cookie { secure: Secure::Always, ..plain.clone() }, None, false, "GCLB=v; Path=/; Secure"),
        (
            Cookie { same_site: SameSite::Strict, ..plain.clone() },
            None,
            false,
            "GCLB=v; Path=/; SameSite=Strict",
        ),
        (
            Cookie {
                name: "__Secure-a".to_owned(),
                path: "/shop".to_owned(),
                domain: Some("a.example".to_owned()),
                secure: Secure::Always,
                same_site: SameSite::None,
                partitioned: true,
                ..plain
            },
            None,
            false,
            "__Secure-a=v; Path=/shop; Domain=a.example; Secure; SameSite=None; Partitioned",
        ),
    ];
    for (cookie, max_age, https, expected) in cases {
        assert_eq!(cookie.set("v", max_age, https), expected);
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(bytes: Vec<u8>, path: Vec<u8>) {
        let _ = values(&bytes);
        let _ = sets(&bytes, "GCLB");
        let _ = without(&[&bytes, &path], "GCLB");
        let _ = Cookie { path: "/shop".to_owned(), ..Cookie::default() }.covers(&path);
    }

    #[test]
    fn our_cookie_among_any_others_is_found_as_it_is(
        others in prop::collection::vec("[ -:<-~]{0,20}", 0..8), place: prop::sample::Index, value in "[A-Za-z0-9_-]{0,128}",
    ) {
        prop_assume!(others.iter().all(|other| !other.trim().starts_with("GCLB")));
        let mut pairs = others;
        pairs.insert(place.index(pairs.len() + 1), format!("GCLB={value}"));
        let header = pairs.join("; ");
        prop_assert_eq!(values(header.as_bytes()), vec![value]);
    }

    #[test]
    fn what_is_left_has_none_of_our_cookies_and_all_others_in_order(
        lines in prop::collection::vec(prop::collection::vec("(GCLB|GCLB |a|GCLBX|) ?(=|) ?[ -:<-~]{0,8}", 0..5), 0..4)
    ) {
        let lines: Vec<String> = lines.iter().map(|pairs| pairs.join(";")).collect();
        let lines: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
        let others = |lines: &[&[u8]]| -> Vec<Vec<u8>> {
            let pairs = lines.iter().flat_map(|line| line.split(|byte| *byte == b';'));
            let others = pairs.map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty() && !sets(pair, "GCLB"));
            others.map(<[u8]>::to_vec).collect()
        };
        let left = without(&lines, "GCLB").unwrap_or_default();
        prop_assert_eq!(values(&left).len(), 0);
        prop_assert_eq!(others(&[&left]), others(&lines));
    }

    #[test]
    fn what_one_of_us_sets_the_other_reads(value in "[A-Za-z0-9_-]{1,128}", https: bool, max_age: Option<u64>) {
        let line = Cookie::default().set(&value, max_age, https);
        prop_assert!(sets(line.as_bytes(), "GCLB"));
        let pair = line.split(';').next().unwrap();
        prop_assert_eq!(values(pair.as_bytes()), vec![value]);
    }
}
