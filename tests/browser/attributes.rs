//! The cookie's attributes as the browser interprets them.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::site::Site;

/// The cookies that a script of the page can read.
async fn seen_by_script(site: &Site) -> String {
    let seen = site.browser.driver().execute("return document.cookie", vec![]).await.unwrap();
    seen.json().as_str().unwrap().to_owned()
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

fn affinity(cookie: &Value) -> Value {
    json!({ "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": 0, "cookie": cookie })
}

#[tokio::test]
async fn over_https_the_shipped_cookie_is_secure_lax_hidden_from_scripts_and_lives_for_its_ttl() {
    let site = Site::start(&Value::Null).await;
    let before = now();
    site.open("https://a.test").await;
    let cookie = site.cookie().await.unwrap();
    let expected = json!({ "domain": "a.test", "path": "/", "secure": true, "httpOnly": true,
        "sameSite": "Lax", "session": false });
    for (attribute, value) in expected.as_object().unwrap() {
        assert_eq!(&cookie[attribute], value, "{attribute} of {cookie}");
    }
    assert_eq!(cookie.get("partitionKey"), None, "{cookie}");
    let left = cookie["expires"].as_f64().unwrap() - before;
    assert!((49.0..=50.0 + (now() - before)).contains(&left), "it expires in {left} s");
    assert_eq!(seen_by_script(&site).await, "");
}

#[tokio::test]
async fn over_http_the_shipped_cookie_is_not_secure() {
    let site = Site::start_without_tls().await;
    let pod = site.open("http://a.test").await;
    let cookie = site.cookie().await.unwrap();
    assert_eq!((&cookie["secure"], &cookie["sameSite"]), (&json!(false), &json!("Lax")), "{cookie}");
    site.browser.driver().refresh().await.unwrap();
    assert_eq!(site.pod().await, pod);
}

#[tokio::test]
async fn without_a_ttl_the_cookie_lives_until_the_browser_closes() {
    let site = Site::start(&affinity(&json!({}))).await;
    site.open("https://a.test").await;
    let cookie = site.cookie().await.unwrap();
    assert_eq!((&cookie["session"], &cookie["expires"]), (&json!(true), &json!(-1)), "{cookie}");
}

#[tokio::test]
async fn every_other_setting_of_the_cookie_is_what_the_browser_stores() {
    let cases = [
        (json!({ "sameSite": "STRICT" }), json!({ "sameSite": "Strict", "httpOnly": true })),
        (json!({ "sameSite": "NONE", "secure": "ALWAYS" }), json!({ "sameSite": "None", "secure": true })),
        (json!({ "sameSite": "UNSET" }), json!({ "sameSite": null })),
        (json!({ "secure": "NEVER" }), json!({ "secure": false })),
        (json!({ "path": "/who" }), json!({ "path": "/who" })),
        (json!({ "domain": "a.test" }), json!({ "domain": ".a.test" })),
        (json!({ "httpOnly": false }), json!({ "httpOnly": false })),
    ];
    for (settings, stored) in cases {
        let site = Site::start(&affinity(&settings)).await;
        site.browser.driver().goto(site.url("https://a.test", "/who/ami")).await.unwrap();
        let cookie = site.cookie().await.unwrap_or_else(|| panic!("{settings}: no cookie is stored"));
        for (attribute, value) in stored.as_object().unwrap() {
            assert_eq!(&cookie[attribute], value, "{attribute} with {settings}: {cookie}");
        }
        let visible = settings["httpOnly"] == json!(false);
        assert_eq!(seen_by_script(&site).await.starts_with("GCLB="), visible, "{settings}");
    }
}
