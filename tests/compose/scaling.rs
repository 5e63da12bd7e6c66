//! docker-compose.scale.yml: one service with any number of containers.

use std::collections::BTreeSet;

use crate::project::Project;
use crate::visitor::Visitor;

const FILE: &str = "docker-compose.scale.yml";
const SERVICE: &str = "app";

/// The project with three containers, and 30 sessions on them.
async fn three_containers() -> (Project, Vec<Visitor>) {
    let project = Project::up(FILE).await;
    project.wait_for_addresses(SERVICE).await;
    let mut visitors = Vec::new();
    for _ in 0..30 {
        visitors.push(Visitor::new(&project.url()).await);
    }
    assert_eq!(containers(&visitors).len(), 3, "30 sessions are on all three containers");
    (project, visitors)
}

async fn scale(project: &Project, count: usize) {
    project.apply(&["--scale", &format!("{SERVICE}={count}")]);
    project.wait_for_addresses(SERVICE).await;
}

fn containers(visitors: &[Visitor]) -> BTreeSet<String> {
    visitors.iter().map(|visitor| visitor.pod.clone()).collect()
}

async fn all_must_stay(visitors: &mut [Visitor]) {
    for visitor in visitors {
        visitor.must_stay(3).await;
        visitor.must_meet_pod().await;
    }
}

#[tokio::test]
async fn scaling_up_moves_no_session_and_new_sessions_begin_on_new_containers() {
    let (project, mut visitors) = three_containers().await;
    all_must_stay(&mut visitors).await;
    scale(&project, 5).await;
    all_must_stay(&mut visitors).await;
    let old = containers(&visitors);
    Visitor::on(&project, |container| !old.contains(container)).await.must_stay(3).await;
    project.down();
}

#[tokio::test]
async fn scaling_down_moves_only_the_sessions_of_removed_containers_and_fails_no_request() {
    let (project, mut visitors) = three_containers().await;
    scale(&project, 2).await;
    let left: BTreeSet<String> = project.inspect(SERVICE, "{{.Config.Hostname}}").into_iter().collect();
    let mut moved = 0;
    for visitor in &mut visitors {
        let before = visitor.pod.clone();
        let reply = visitor.again().await;
        assert_eq!(reply.status, 200, "{}", reply.pod);
        assert!(left.contains(&visitor.pod), "{} was removed", visitor.pod);
        assert_eq!(
            visitor.pod == before,
            left.contains(&before),
            "a session of {before} is on {}",
            visitor.pod
        );
        moved += usize::from(visitor.pod != before);
    }
    assert!(moved > 0, "the removed container had sessions");
    all_must_stay(&mut visitors).await;
    project.down();
}

#[tokio::test]
async fn sessions_on_containers_survive_a_restart_of_envoy() {
    let (project, mut visitors) = three_containers().await;
    project.compose(&["restart", "envoy"]);
    project.apply(&[]);
    all_must_stay(&mut visitors).await;
    project.down();
}
