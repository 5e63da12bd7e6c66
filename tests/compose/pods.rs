//! docker-compose.yml: three pods, each a backend.

use harness::client::Client;

use crate::project::{Project, eventually};
use crate::visitor::Visitor;

const FILE: &str = "docker-compose.yml";
const PODS: [&str; 3] = ["neg-demo-0", "neg-demo-1", "neg-demo-2"];
const POD: &str = PODS[0];
const NEIGHBOUR: &str = PODS[1];

/// A session on this pod.
async fn session_on(project: &Project, pod: &str) -> Visitor {
    Visitor::on(project, |answered| answered == pod).await
}

/// Starts a pod again, and waits until Envoy has its address.
async fn bring_back(project: &Project, pod: &str) {
    project.apply(&["--no-recreate", pod]);
    project.wait_for_addresses(pod).await;
}

#[tokio::test]
async fn a_browser_gets_the_demo_page() {
    let project = Project::up(FILE).await;
    let page = Client::http1_fresh().fetch(&project.url(), &[("accept", b"text/html")]).await.unwrap();
    assert_eq!(page.status, 200);
    assert!(page.pod.contains("<!doctype html>"), "{}", page.pod);
    project.down();
}

#[tokio::test]
async fn each_pod_keeps_its_sessions_and_their_websockets() {
    let project = Project::up(FILE).await;
    for pod in PODS {
        let mut visitor = session_on(&project, pod).await;
        visitor.must_stay(10).await;
        visitor.must_meet_pod().await;
    }
    project.down();
}

#[tokio::test]
async fn only_the_sessions_of_a_stopped_pod_move_and_they_stay_moved() {
    let project = Project::up(FILE).await;
    let mut visitor = session_on(&project, POD).await;
    let mut neighbour = session_on(&project, NEIGHBOUR).await;
    let repinned = project.outcome("repinned");
    project.compose(&["stop", POD]);
    visitor.must_move().await;
    visitor.must_stay(5).await;
    neighbour.must_stay(5).await;
    eventually("one request is counted as repinned", async || project.outcome("repinned") == repinned + 1)
        .await;
    let log = project.log();
    let found = ["ejected for 30 s", "fails its health checks"];
    let is_logged = found.iter().any(|line| log.contains(&format!("backend {POD} {line}")));
    assert!(is_logged, "why the session moved is logged:\n{log}");
    bring_back(&project, POD).await;
    visitor.must_stay(5).await;
    project.down();
}

#[tokio::test]
async fn a_killed_pod_that_comes_back_in_time_has_its_session_again() {
    let project = Project::up(FILE).await;
    let mut visitor = session_on(&project, POD).await;
    project.compose(&["kill", POD]);
    let reply = visitor.again().await;
    assert_eq!(
        (reply.status.as_u16(), reply.set_cookies.len()),
        (503, 0),
        "a request that finds the pod gone"
    );
    bring_back(&project, POD).await;
    visitor.must_stay(10).await;
    project.down();
}

#[tokio::test]
async fn the_session_of_a_pod_that_stays_killed_moves() {
    let project = Project::up(FILE).await;
    let mut visitor = session_on(&project, POD).await;
    project.compose(&["kill", POD]);
    visitor.must_move().await;
    project.down();
}

#[tokio::test]
async fn a_pod_that_crashes_is_restarted_and_keeps_its_session() {
    let project = Project::up(FILE).await;
    let mut visitor = session_on(&project, POD).await;
    let started = || project.inspect(POD, "{{.State.StartedAt}} {{.State.Running}}");
    let before = started();
    // The container's init process forwards the signal.
    project.compose(&["exec", "-T", POD, "deno", "eval", "Deno.kill(1, 'SIGTERM')"]);
    eventually("Docker restarts the pod", async || started() != before).await;
    bring_back(&project, POD).await;
    visitor.must_stay(10).await;
    project.down();
}

#[tokio::test]
async fn a_session_stays_with_its_backend_as_long_as_the_backend_has_containers() {
    let project = Project::up(FILE).await;
    let mut visitor = session_on(&project, POD).await;
    project.apply(&["--scale", &format!("{POD}=3")]);
    project.wait_for_addresses(POD).await;
    visitor.must_stay(30).await;
    project.apply(&["--scale", &format!("{POD}=0")]);
    visitor.must_move().await;
    project.apply(&["--scale", &format!("{POD}=1")]);
    project.wait_for_addresses(POD).await;
    visitor.must_stay(5).await;
    project.down();
}

#[tokio::test]
async fn sessions_survive_a_restart_of_envoy() {
    let project = Project::up(FILE).await;
    let mut visitors = Vec::new();
    for _ in 0..20 {
        visitors.push(Visitor::new(&project.url()).await);
    }
    project.compose(&["restart", "envoy"]);
    project.apply(&[]);
    for visitor in &mut visitors {
        visitor.must_stay(2).await;
        visitor.must_meet_pod().await;
    }
    project.down();
}
