//! Streamlit in Chromium. Its page uses a WebSocket, and uploads files in separate requests.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::envoy::Envoy;
use harness_browser::{Browser, By};

use crate::envoy::{self, Pin};
use crate::instance::{Instances, free_port};
use crate::python::Python;

/// The maximum time that the page takes for any step on a busy machine. The test does not wait longer than needed.
const PATIENCE: Duration = Duration::from_secs(90);

/// The number of people who upload a file, one after the other.
const UPLOADS: usize = 6;

async fn start() -> Instances {
    let python = Python::of("streamlit");
    let command = |_: &Path| {
        let mut command = python.command();
        command.args(["-m", "streamlit", "run", "app.py", "--server.headless=true"]);
        command.args(["--browser.gatherUsageStats=false", "--server.fileWatcherType=none"]);
        // By default Streamlit assumes that its developers run it, because its directory is not called "site-packages".
        command.arg("--global.developmentMode=false");
        command.args(["--server.address=127.0.0.1", &format!("--server.port={}", free_port())]);
        command
    };
    Instances::start(command, "URL: http://127.0.0.1:").await
}

/// Opens the page as a new visitor.
async fn open(browser: &Browser, envoy: &Envoy) {
    browser.driver().delete_all_cookies().await.unwrap();
    browser.driver().goto(envoy.url()).await.unwrap();
}

/// Uploads a file from the page. Returns how often the session of the page has run by then, or the error that the page
/// shows.
async fn upload(browser: &Browser, file: &Path) -> Result<u32, String> {
    let name = file.file_name().unwrap().to_string_lossy();
    let arrived = format!("{name} has {} bytes", fs::metadata(file).unwrap().len());
    let deadline = Instant::now() + PATIENCE;
    let mut sent = false;
    loop {
        let page = browser.text("body").await.unwrap_or_default();
        if page.lines().any(|line| line == arrived) {
            let runs = page.lines().find_map(|line| line.strip_prefix("run "));
            return Ok(runs.unwrap().parse().unwrap());
        }
        if let Some(line) = page.lines().find(|line| line.starts_with("Error: ")) {
            return Err(line.to_owned());
        }
        if !sent && let Ok(input) = browser.driver().find(By::Css("input[type=file]")).await {
            // Fails if the page has just been redrawn.
            sent = input.send_keys(file.display().to_string()).await.is_ok();
        }
        assert!(
            Instant::now() < deadline,
            "after {PATIENCE:?} the file is sent: {sent}; the page says {page:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn every_streamlit_upload_meets_the_instance_of_its_page_and_without_the_filter_some_do_not() {
    let mut instances = start().await;
    let directory = tempfile::tempdir().unwrap();
    let files = ["one.csv", "two.csv", "three.csv", "four.csv"].map(|name| directory.path().join(name));
    for file in &files {
        fs::write(file, "1,2,3\n".repeat(10_000)).unwrap();
    }
    let browser = Browser::start(&[]).await.unwrap();

    let envoy = envoy::with_filter(Pin::Endpoint, &envoy::recipe("Streamlit"), &instances.addresses()).await;
    for _ in 0..UPLOADS {
        open(&browser, &envoy).await;
        upload(&browser, &files[0]).await.unwrap();
    }
    eprintln!("Streamlit: all {UPLOADS} uploads arrive");
    envoy::assert_filter_is_well(&envoy).await;

    let bare = envoy::without_filter(&instances.addresses()).await;
    // By chance, each upload reaches the instance of its page once in three times.
    let mut uploads = 0;
    let error = loop {
        open(&browser, &bare).await;
        match upload(&browser, &files[0]).await {
            Ok(_) => uploads += 1,
            Err(error) => break error,
        }
        assert!(uploads < 20, "without the filter {uploads} uploads went to the instance of their page");
    };
    assert!(error.contains("status code 400"), "{error}");

    // The page connects to another instance by itself, and gets a new session there.
    let envoy = envoy::with_filter(Pin::Endpoint, &envoy::recipe("Streamlit"), &instances.addresses()).await;
    open(&browser, &envoy).await;
    let mut runs = 0;
    for file in &files[..3] {
        runs = upload(&browser, file).await.unwrap();
    }
    instances.end_the_one_in_use(&envoy).await;
    let sockets = "http.http.downstream_cx_upgrades_total";
    envoy.wait_for_stat(sockets, |count| count >= 2, PATIENCE).await.unwrap();
    let runs_then = upload(&browser, &files[3]).await.unwrap();
    assert!(runs_then < runs, "{runs} runs, then {runs_then} at another instance");
}
