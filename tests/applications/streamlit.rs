//! Streamlit, whose page lives over a WebSocket while files are uploaded beside it, in Chromium.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::envoy::Envoy;
use harness_browser::{Browser, By};

use crate::envoy::{self, Pin};
use crate::instance::{Instances, free_port};
use crate::python::Python;

/// How long the page may take for anything on a busy machine. A limit, not a time that is waited for.
const PATIENCE: Duration = Duration::from_secs(90);

/// So many people upload a file, one after the other.
const UPLOADS: usize = 6;

async fn start() -> Instances {
    let python = Python::of("streamlit");
    let command = |_: &Path| {
        let mut command = python.command();
        command.args(["-m", "streamlit", "run", "app.py", "--server.headless=true"]);
        command.args(["--browser.gatherUsageStats=false", "--server.fileWatcherType=none"]);
        // By default Streamlit believes that its developers run it: it is not in a directory "site-packages".
        command.arg("--global.developmentMode=false");
        command.args(["--server.address=127.0.0.1", &format!("--server.port={}", free_port())]);
        command
    };
    Instances::start(command, "URL: http://127.0.0.1:").await
}

/// What became of the file: what the page says of it, or the error that the page shows.
async fn upload(browser: &Browser, envoy: &Envoy, file: &Path) -> Result<String, String> {
    let driver = browser.driver();
    driver.delete_all_cookies().await.unwrap();
    driver.goto(envoy.url()).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut sent = false;
    loop {
        let page = browser.text("body").await.unwrap_or_default();
        if let Some(line) = page.lines().find(|line| line.ends_with(" bytes")) {
            return Ok(line.to_owned());
        }
        if let Some(line) = page.lines().find(|line| line.starts_with("Error: ")) {
            return Err(line.to_owned());
        }
        if !sent && let Ok(input) = driver.find(By::Css("input[type=file]")).await {
            // Fails if the page has just been drawn anew.
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
    let file = directory.path().join("numbers.csv");
    std::fs::write(&file, "1,2,3\n".repeat(10_000)).unwrap();
    let browser = Browser::start(&[]).await.unwrap();

    let envoy = envoy::with_filter(Pin::Endpoint, &envoy::recipe("Streamlit"), &instances.addresses()).await;
    for _ in 0..UPLOADS {
        assert_eq!(upload(&browser, &envoy, &file).await, Ok("numbers.csv has 60000 bytes".to_owned()));
    }
    eprintln!("Streamlit: all {UPLOADS} uploads arrive");
    envoy::assert_filter_is_well(&envoy).await;

    let bare = envoy::without_filter(&instances.addresses()).await;
    // Each upload meets the instance of its page once in three times.
    let mut uploads = 0;
    let error = loop {
        match upload(&browser, &bare, &file).await {
            Ok(_) => uploads += 1,
            Err(error) => break error,
        }
        assert!(uploads < 20, "without the filter {uploads} uploads went to the instance of their page");
    };
    assert!(error.contains("status code 400"), "{error}");

    let envoy = envoy::with_filter(Pin::Endpoint, &envoy::recipe("Streamlit"), &instances.addresses()).await;
    upload(&browser, &envoy, &file).await.unwrap();
    instances.end_the_one_in_use(&envoy).await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        eprintln!("{:?}", browser.text("body").await);
    }
    std::fs::write("/tmp/rx/shot.png", browser.driver().screenshot_as_png().await.unwrap()).unwrap();
}
