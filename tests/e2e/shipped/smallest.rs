//! envoy/envoy.yaml.

use std::collections::BTreeSet;
use std::fs;

use harness::client::Client;
use harness::envoy::Envoy;

use crate::availability::fleet::SECOND;
use crate::ecds::{SOON, eventually};
use crate::shipped_files::{File, envoy_directory};

/// Begins sessions until every pod has one. Each session then stays where it began.
async fn assert_sessions_stick(file: &File, envoy: &Envoy) {
    let mut met = BTreeSet::new();
    while met.len() < file.pods().count() {
        let first = Client::http1_fresh().fetch(&envoy.url(), &[]).await.unwrap();
        assert_eq!(first.status, 200);
        let line = first.set_cookie("GCLB").unwrap();
        assert!(line.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=50"), "{line}");
        let cookie = first.cookie_pair("GCLB").unwrap();
        for _ in 0..5 {
            let again = Client::http1_fresh().fetch_with_cookie(&envoy.url(), cookie).await.unwrap();
            assert_eq!(again.pod, first.pod);
            assert_eq!(again.set_cookie("GCLB"), None);
        }
        met.insert(first.pod);
    }
}

#[tokio::test]
async fn the_smallest_file_keeps_each_session_on_its_pod_for_50_seconds() {
    let file = File::load("envoy.yaml");
    let envoy = file.start().await;
    assert_sessions_stick(&file, &envoy).await;
}

/// Follows the comments of the file about keys.
#[tokio::test]
async fn the_smallest_file_takes_keys_as_its_comments_tell() {
    let mut uncommented = 0;
    let mut text = String::new();
    for line in fs::read_to_string(envoy_directory().join("envoy.yaml")).unwrap().lines() {
        let code = ["# environment_variables:", "#   host_env_keys:", "# keys:", "# - {id: k1, env:"];
        if code.iter().any(|start| line.trim_start().starts_with(start)) {
            uncommented += 1;
            text.push_str(&line.replacen("# ", "", 1));
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    assert_eq!(uncommented, 4);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("envoy.yaml");
    fs::write(&path, text).unwrap();
    let file = File::load_from(&path, "envoy.yaml");
    let envoy = file.start().await;
    assert_sessions_stick(&file, &envoy).await;
    assert!(envoy.log().contains("; keys: k1\n"), "{}", envoy.log_excerpt());

    let without_keys = File::load("envoy.yaml");
    let without_keys = without_keys.start().await;
    let anybodys = Client::http1().fetch(&without_keys.url(), &[]).await.unwrap();
    let anybodys = anybodys.cookie_pair("GCLB").unwrap();
    let reply = Client::http1().fetch_with_cookie(&envoy.url(), anybodys).await.unwrap();
    assert!(reply.set_cookie("GCLB").is_some(), "a cookie of no key begins no more than a new session");
}

#[tokio::test]
async fn the_smallest_file_leaves_a_stopped_backend_and_one_that_answers_five_errors() {
    let file = File::load("envoy.yaml");
    let envoy = file.start().await;
    for fault in ["fails its health checks", "ejected for 30 s"] {
        let begun = Client::http1_fresh().fetch(&envoy.url(), &[]).await.unwrap();
        let cookie = begun.cookie_pair("GCLB").unwrap();
        let pod = file.pods().find(|pod| pod.name() == begun.pod).unwrap();
        if fault.starts_with("fails") {
            pod.freeze();
        } else {
            pod.fail();
            for _ in 0..5 {
                let reply = Client::http1_fresh().fetch_with_cookie(&envoy.url(), cookie).await.unwrap();
                assert_eq!(reply.status, 503);
            }
        }
        envoy.wait_for_log(&format!("{} {fault}", begun.pod), SOON).await.unwrap();
        eventually("the session moves on every worker", async || {
            let get = Client::http1_fresh();
            let reply = tokio::time::timeout(SECOND, get.fetch_with_cookie(&envoy.url(), cookie)).await;
            reply.is_ok_and(|reply| reply.unwrap().pod != begun.pod)
        })
        .await;
    }
}
