//! Server-sent events with better-sse: a page in Chromium reads its stream, and sends messages in separate requests.

use std::path::Path;
use std::process::Command;

use harness::{node_package, workspace_root};
use harness_browser::{Browser, By};

use crate::envoy::{self, Pin};
use crate::instance::Instances;

/// The number of people who open the page, one after the other.
const VISITORS: usize = 10;

async fn start() -> Instances {
    let program = workspace_root().join("tests/applications/sse");
    let installed = node_package::install(&program, Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let command = |_: &Path| {
        let mut command = Command::new("node");
        command.arg("app.mjs").current_dir(&installed);
        command
    };
    Instances::start(command, "listening on ").await
}

/// Opens the page as a new visitor, and waits for its stream.
async fn open(browser: &Browser, url: &str) {
    browser.driver().delete_all_cookies().await.unwrap();
    browser.driver().goto(url).await.unwrap();
    browser.shown("#streams", |streams| streams == "1").await.unwrap();
}

/// Sends messages. Fails if the page's stream brings no answer to one of them.
async fn talk(browser: &Browser, messages: [&str; 3]) -> Result<(), String> {
    for message in messages {
        let input = browser.driver().find(By::Css("input")).await.unwrap();
        input.send_keys(format!("{message}\n")).await.unwrap();
        let answer = format!("you said {message}");
        let log = browser.shown("#log", |log| log == answer || log.starts_with("error")).await.unwrap();
        if log != answer {
            return Err(log);
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_message_meets_the_stream_of_its_page_and_without_the_filter_hardly_any_page_works() {
    let mut instances = start().await;
    let browser = Browser::start(&[]).await.unwrap();
    let recipe = envoy::recipe("Server-sent events");
    let envoy = envoy::with_filter(Pin::Endpoint, &recipe, &instances.addresses()).await;
    for _ in 0..VISITORS {
        open(&browser, &envoy.url()).await;
        assert_eq!(talk(&browser, ["one", "two", "three"]).await, Ok(()));
    }
    envoy::assert_filter_is_well(&envoy).await;

    let bare = envoy::without_filter(&instances.addresses()).await;
    let mut failed = 0;
    for _ in 0..VISITORS {
        open(&browser, &bare.url()).await;
        if let Err(error) = talk(&browser, ["one", "two", "three"]).await {
            assert_eq!(error, "error 404");
            failed += 1;
        }
    }
    eprintln!("Server-sent events: without the filter {failed} of {VISITORS} pages fail");
    // Each page needs its own instance three times. By chance, it reaches that instance once in three times.
    assert!(failed >= VISITORS - 4, "without the filter only {failed} of {VISITORS} pages fail");

    // The page reconnects by itself, and continues at another instance.
    let envoy = envoy::with_filter(Pin::Endpoint, &recipe, &instances.addresses()).await;
    open(&browser, &envoy.url()).await;
    assert_eq!(talk(&browser, ["one", "two", "three"]).await, Ok(()));
    instances.end_the_one_in_use(&envoy).await;
    browser.shown("#streams", |streams| streams == "2").await.unwrap();
    assert_eq!(talk(&browser, ["four", "five", "six"]).await, Ok(()));
}
