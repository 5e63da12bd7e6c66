//! The demo site in a frame of another site.

use serde_json::{Value, json};

use crate::site::{Site, eventually};

const OURS: &str = "https://a.test";
const OTHER: &str = "https://b.test";

fn affinity(cookie: &Value) -> Value {
    json!({ "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": 0, "cookie": cookie })
}

/// Shows the demo page in a frame of the other site, and switches to the frame. (The test ignores cookies of the other
/// site itself.)
async fn frame_ours(site: &Site) {
    let driver = site.browser.driver();
    driver.goto(site.url(OTHER, "/")).await.unwrap();
    let script = "document.body.innerHTML = ''; const frame = document.createElement('iframe');
        frame.src = arguments[0]; document.body.append(frame);
        return new Promise((loaded) => { frame.onload = () => loaded(true); });";
    driver.execute(script, vec![json!(site.url(OURS, "/"))]).await.unwrap();
    driver.enter_frame(0).await.unwrap();
}

/// The cookies of the demo site, each with its top-level site, or none for an unpartitioned cookie.
async fn jars(site: &Site) -> Vec<(Option<String>, Value)> {
    let cookies = site.browser.cookies().await.unwrap();
    let ours = cookies.into_iter().filter(|cookie| cookie["name"] == "GCLB" && cookie["domain"] == "a.test");
    let key = |cookie: &Value| cookie["partitionKey"]["topLevelSite"].as_str().map(str::to_owned);
    let mut jars: Vec<_> = ours.map(|cookie| (key(&cookie), cookie["value"].clone())).collect();
    jars.sort_by(|(one, _), (other, _)| one.cmp(other));
    jars
}

#[tokio::test]
async fn a_partitioned_cookie_sticks_in_a_cross_site_frame_and_belongs_to_the_site_around_it() {
    let cookie = json!({ "sameSite": "NONE", "secure": "ALWAYS", "partitioned": true });
    let site = Site::start(&affinity(&cookie)).await;
    frame_ours(&site).await;
    let framed = site.pod().await;
    let stored = jars(&site).await;
    let [(Some(key), value)] = &stored[..] else { panic!("not one partitioned cookie: {stored:?}") };
    assert_eq!(key, OTHER);
    for _ in 0..10 {
        assert_eq!(site.fetched().await, framed, "in the frame");
    }
    assert_eq!(site.socket_pod().await, framed, "the frame's WebSocket");
    frame_ours(&site).await;
    assert_eq!(site.pod().await, framed, "the frame, loaded again");
    assert_eq!(jars(&site).await, stored);

    // As a top-level site, the demo site has another session in a separate cookie jar.
    site.browser.driver().enter_default_frame().await.unwrap();
    site.open(OURS).await;
    let stored = jars(&site).await;
    let [(Some(own), other_value), (Some(framed_key), framed_value)] = &stored[..] else {
        panic!("not two partitioned cookies: {stored:?}")
    };
    assert_eq!((&**own, &**framed_key, framed_value), (OURS, OTHER, value));
    assert_ne!(other_value, value);
}

/// How browsers treat `SameSite=Lax`, and the reason for `partitioned`.
#[tokio::test]
async fn the_shipped_lax_cookie_is_not_kept_in_a_cross_site_frame() {
    let site = Site::start(&Value::Null).await;
    frame_ours(&site).await;
    site.pod().await;
    let assigned = site.outcome("assigned").await;
    for _ in 0..5 {
        site.fetched().await;
    }
    eventually("each is new", async || site.outcome("assigned").await, |count| *count >= assigned + 5).await;
    assert_eq!(jars(&site).await, []);
}
