//! Resumable uploads with tus-js-client to three instances of @tus/server, each with its own directory: from Node.js
//! without cookies, and from a page in Chromium.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::envoy::Envoy;
use harness::{node_package, workspace_root};
use harness_browser::{Browser, By};

use crate::clients::Clients;
use crate::envoy::{self, Pin};
use crate::instance::Instances;

/// The number of files that are uploaded at the same time.
const UPLOADS: usize = 30;

/// The number of parts of a file that is uploaded from a page. The upload takes more than a second.
const PARTS: usize = 256;

fn program() -> PathBuf {
    let program = workspace_root().join("tests/applications/tus");
    node_package::install(&program, Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

async fn start() -> Instances {
    let installed = program();
    let command = |directory: &Path| {
        let mut command = Command::new("node");
        command.arg("server.mjs").current_dir(&installed).env("DIRECTORY", directory.join("uploads"));
        command
    };
    Instances::start(command, "listening on ").await
}

/// Uploads files as described in `tests/applications/tus/client.mjs`.
fn upload(envoy: &Envoy, header: &str) -> Clients {
    let mut client = Command::new("node");
    client.arg("client.mjs").current_dir(program());
    client.args([&format!("{}/files", envoy.url()), &UPLOADS.to_string(), header]);
    Clients::start(client)
}

#[tokio::test]
async fn every_tus_upload_goes_on_where_it_began_and_without_the_filter_none_does() {
    let mut instances = start().await;
    let addresses = instances.addresses();
    let recipe = envoy::recipe("tus");
    let header = recipe["sessionAffinity"]["header"]["name"].as_str().unwrap();
    let envoy = envoy::with_filter(Pin::Cluster, &recipe, &addresses).await;
    let outcomes = upload(&envoy, header).finish().await;
    assert_eq!(outcomes.done, UPLOADS, "{outcomes:?}");
    for index in 0..addresses.len() {
        let requests = envoy.stat(&format!("cluster.app-{index}.upstream_rq_total")).await.unwrap();
        assert!(requests > 0, "instance {index} got no upload");
    }
    envoy::assert_filter_is_well(&envoy).await;

    let bare = envoy::without_filter(&addresses).await;
    let failed = upload(&bare, header).finish().await.failed;
    assert!(
        failed.len() >= UPLOADS - 2,
        "without the filter only {} of {UPLOADS} uploads fail",
        failed.len()
    );
    assert!(failed.iter().any(|line| line.contains("404")), "{failed:?}");

    // The uploads of an instance that ends begin again at another instance.
    let mut uploads = upload(&envoy, header);
    uploads.halfway().await;
    instances.end_first();
    let outcomes = uploads.finish().await;
    assert_eq!(outcomes.failed, [""; 0]);
    assert!(!outcomes.again.is_empty() && outcomes.done > 0, "{outcomes:?}");
    eprintln!("tus: {} of {UPLOADS} uploads begin again", outcomes.again.len());
}

/// Opens the page and starts to upload the file.
async fn begin(browser: &Browser, envoy: &Envoy, file: &Path) {
    browser.driver().goto(envoy.url()).await.unwrap();
    let input = browser.driver().find(By::Css("input")).await.unwrap();
    input.send_keys(file.display().to_string()).await.unwrap();
}

/// The number of times that the upload has begun, once the page reports the result of the upload.
async fn finish(browser: &Browser) -> Result<String, String> {
    let is_end = |progress: &str| progress == "done" || progress.starts_with("failed");
    let progress = browser.shown("#progress", is_end).await.unwrap();
    if progress == "done" { Ok(browser.text("#beginnings").await.unwrap()) } else { Err(progress) }
}

#[tokio::test]
async fn a_tus_upload_goes_on_after_the_page_is_loaded_again_and_without_the_filter_it_fails() {
    let mut instances = start().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("film.mp4");
    std::fs::write(&file, vec![7; PARTS * 16 * 1024]).unwrap();
    let browser = Browser::start(&[]).await.unwrap();
    let recipe = envoy::recipe("tus in the browser");
    let envoy = envoy::with_filter(Pin::Endpoint, &recipe, &instances.addresses()).await;
    let partly = |progress: &str| progress.contains(" of ");

    begin(&browser, &envoy, &file).await;
    browser.shown("#progress", partly).await.unwrap();
    begin(&browser, &envoy, &file).await;
    assert_eq!(
        finish(&browser).await,
        Ok("0".to_owned()),
        "the second page goes on with the upload of the first"
    );
    envoy::assert_filter_is_well(&envoy).await;

    let bare = envoy::without_filter(&instances.addresses()).await;
    begin(&browser, &bare, &file).await;
    let error = finish(&browser).await.unwrap_err();
    assert!(error.contains("response code: 404"), "{error}");

    // The page begins the upload again by itself.
    begin(&browser, &envoy, &file).await;
    browser.shown("#progress", partly).await.unwrap();
    instances.end_the_one_in_use(&envoy).await;
    assert_eq!(finish(&browser).await, Ok("2".to_owned()), "the page begins the upload again");
}
