//! The demo page, used like a person uses it.

use harness_browser::By;
use serde_json::{Value, json};

use crate::site::{Site, eventually};

const A: &str = "https://a.test";

#[tokio::test]
async fn the_page_stays_on_its_pod_across_reloads_tabs_and_a_websocket() {
    let site = Site::start(&Value::Null).await;
    let driver = site.browser.driver();
    let pod = site.open(A).await;
    for _ in 0..10 {
        driver.refresh().await.unwrap();
        assert_eq!(site.pod().await, pod, "after a reload");
        assert_eq!(site.socket_pod().await, pod, "its WebSocket after a reload");
    }
    for _ in 0..3 {
        let tab = driver.new_tab().await.unwrap();
        driver.switch_to_window(tab).await.unwrap();
        assert_eq!(site.open(A).await, pod, "in a new tab");
        assert_eq!(site.socket_pod().await, pod, "the WebSocket of a new tab");
    }
    for _ in 0..5 {
        site.browser.click("#reconnect").await.unwrap();
        assert_eq!(site.socket_pod().await, pod, "a WebSocket that reconnects");
    }
    let message = driver.find(By::Css("#message")).await.unwrap();
    message.send_keys("hello").await.unwrap();
    site.browser.click("#send").await.unwrap();
    site.shown("#log", |log| log.contains(&format!("{pod}: hello"))).await;
    // The page, its WebSocket and its requests: at least three for each time that the page was opened.
    eventually("all are counted", async || site.outcome("pinned").await, |count| *count >= 3 * 13).await;
    assert_eq!(site.outcome("invalid").await + site.outcome("repinned").await, 0);
}

#[tokio::test]
async fn dropping_the_cookie_begins_a_new_session_which_moves_on_sooner_or_later() {
    let site = Site::start(&Value::Null).await;
    let first = site.open(A).await;
    let mut cookie = site.cookie().await.unwrap()["value"].clone();
    let mut pod = first.clone();
    // A new session begins on the same pod 30 times in a row with a probability of about 5 in 10¹⁵.
    for _ in 0..30 {
        site.browser.click("#drop").await.unwrap();
        let renewed = eventually(
            "a new cookie",
            async || site.cookie().await.map(|cookie| cookie["value"].clone()),
            |found| found.as_ref().is_some_and(|found| *found != cookie),
        );
        cookie = renewed.await.unwrap();
        pod = site.fetched().await;
        if pod != first {
            break;
        }
    }
    assert_ne!(pod, first);
    site.shown("#pod", |shown| shown == pod).await;
    site.browser.click("#reconnect").await.unwrap();
    assert_eq!(site.socket_pod().await, pod, "the WebSocket follows");
    for _ in 0..10 {
        assert_eq!(site.fetched().await, pod, "and there it stays");
    }
}

#[tokio::test]
async fn a_session_ends_when_the_browser_deletes_its_cookie_by_max_age() {
    let site = Site::start(&json!({ "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": 2 })).await;
    // The page sends no requests on its own while the cookie expires.
    site.browser.driver().goto(site.url(A, "/whoami")).await.unwrap();
    let first = site.cookie().await.unwrap();
    eventually("the browser forgets", async || site.cookie().await, Option::is_none).await;
    let assigned = site.outcome("assigned").await;
    site.fetched().await;
    assert_ne!(site.cookie().await.unwrap()["value"], first["value"]);
    let count =
        eventually("a new session", async || site.outcome("assigned").await, |count| *count > assigned);
    assert_eq!(count.await, assigned + 1);
    assert_eq!(site.outcome("expired").await, 0, "the server did not have to end it");
}
