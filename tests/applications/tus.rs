//! Resumable uploads with tus-js-client to three @tus/server, each with a directory of its own, without cookies.

use std::path::{Path, PathBuf};

use harness::{node_package, workspace_root};
use tokio::process::Command;

use crate::envoy::{self, Pin};
use crate::instance::Instances;

/// So many files are uploaded at the same time.
const UPLOADS: usize = 30;

fn program() -> PathBuf {
    let program = workspace_root().join("tests/applications/tus");
    node_package::install(&program, Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

async fn start() -> Instances {
    let installed = program();
    let command = |directory: &Path| {
        let mut command = std::process::Command::new("node");
        command.arg("server.mjs").current_dir(&installed).env("DIRECTORY", directory.join("uploads"));
        command
    };
    Instances::start(command, "listening on ").await
}

/// Uploads files as `tests/applications/tus/client.mjs` says. Returns what failed.
async fn upload(url: &str, header: &str) -> Vec<String> {
    let mut client = Command::new("node");
    client.arg("client.mjs").current_dir(program());
    let output = client.args([&format!("{url}/files"), &UPLOADS.to_string(), header]).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let (done, failed): (Vec<&str>, Vec<&str>) = lines.lines().partition(|line| line.starts_with("done "));
    assert_eq!(done.len() + failed.len(), UPLOADS, "{lines}");
    failed.into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn every_tus_upload_goes_on_where_it_began_and_without_the_filter_none_does() {
    let instances = start().await;
    let addresses = instances.addresses();
    let recipe = envoy::recipe("tus");
    let header = recipe["sessionAffinity"]["header"]["name"].as_str().unwrap();
    let envoy = envoy::with_filter(Pin::Cluster, &recipe, &addresses).await;
    assert_eq!(upload(&envoy.url(), header).await, [""; 0]);
    for index in 0..addresses.len() {
        let requests = envoy.stat(&format!("cluster.app-{index}.upstream_rq_total")).await.unwrap();
        assert!(requests > 0, "instance {index} got no upload");
    }
    envoy::assert_filter_is_well(&envoy).await;

    let bare = envoy::without_filter(&addresses).await;
    let failed = upload(&bare.url(), header).await;
    assert!(
        failed.len() >= UPLOADS - 2,
        "without the filter only {} of {UPLOADS} uploads fail",
        failed.len()
    );
    assert!(failed.iter().any(|line| line.contains("404")), "{failed:?}");
}
