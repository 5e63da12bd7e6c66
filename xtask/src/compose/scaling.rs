//! docker-compose.scale.yml: one service with as many containers as are wanted.

use std::collections::BTreeSet;

use anyhow::Result;

use super::project::Project;
use super::visitor::Visitor;
use crate::screen::{self, Screen};

const SERVICE: &str = "app";

/// Scales up and down, and checks that sessions move only where they must.
pub async fn walk(project: &Project<'_>, screen: &Screen) -> Result<()> {
    screen.step("docker-compose.scale.yml: sessions on single containers of one service");
    project.up(&[]).await?;
    project.wait_for_addresses(SERVICE, SERVICE).await?;
    let mut visitors = Vec::new();
    for _ in 0..30 {
        visitors.push(Visitor::new(&project.url()).await?);
    }
    screen.check(pods(&visitors).len() == 3, "30 sessions on three containers");
    screen.check(all_stay(&mut visitors).await?, "each stays on its own, and so does its WebSocket");

    scale(project, screen, 5).await?;
    screen.check(all_stay(&mut visitors).await?, "no session moves");
    let old = pods(&visitors);
    let new = Visitor::on(&project.url(), |pod| !old.contains(pod)).await?;
    screen.check(!old.contains(&new.pod), "new sessions begin on the new containers");
    visitors.push(new);

    scale(project, screen, 2).await?;
    let left: BTreeSet<String> =
        project.inspect(SERVICE, "{{.Config.Hostname}}").await?.into_iter().collect();
    let (mut moved, mut wrong, mut failed) = (0, 0, 0);
    for visitor in &mut visitors {
        let was = visitor.pod.clone();
        let reply = visitor.again().await?;
        failed += usize::from(reply.status != 200);
        moved += usize::from(visitor.pod != was);
        wrong += usize::from(!left.contains(&visitor.pod) || (left.contains(&was) && visitor.pod != was));
    }
    screen::detail(&format!("{moved} of {} sessions moved", visitors.len()));
    screen.check(failed == 0, "no request fails");
    screen
        .check(moved > 0 && wrong == 0, "the sessions of the containers that went away moved, and no other");
    screen.check(all_stay(&mut visitors).await?, "and now they stay");

    screen.step("Envoy restarts");
    project.shown(&["restart", "envoy"]).await?;
    project.up(&["--scale", "app=2"]).await?;
    screen.check(all_stay(&mut visitors).await?, "all sessions go on where they were");
    screen.step("Down");
    project.shown(&["down"]).await
}

async fn scale(project: &Project<'_>, screen: &Screen, count: usize) -> Result<()> {
    screen.step(&format!("--scale {SERVICE}={count}"));
    project.up(&["--scale", &format!("{SERVICE}={count}")]).await?;
    project.wait_for_addresses(SERVICE, SERVICE).await
}

fn pods(visitors: &[Visitor]) -> BTreeSet<String> {
    visitors.iter().map(|visitor| visitor.pod.clone()).collect()
}

async fn all_stay(visitors: &mut [Visitor]) -> Result<bool> {
    for visitor in visitors {
        if !visitor.stays(3).await? || visitor.socket().await? != visitor.pod {
            return Ok(false);
        }
    }
    Ok(true)
}
