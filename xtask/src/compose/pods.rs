//! docker-compose.yml: three pods, each a backend.

use std::ops::RangeInclusive;

use anyhow::{Context as _, Result, bail};
use harness::client::Client;

use super::project::{Project, eventually};
use super::visitor::Visitor;
use crate::screen::{self, Screen};

const PODS: [&str; 3] = ["neg-demo-0", "neg-demo-1", "neg-demo-2"];

/// Requests that find a backend out of reach before the filter takes it out:
/// `outlierDetection.consecutiveLocalOriginFailure`, and one more where another worker, which is to know within a
/// second, gets the next one at once. (Each takes a second to fail.)
const FAILURES: RangeInclusive<usize> = 3..=4;

/// Does what a user does, and checks what the README promises.
pub async fn walk(project: &Project<'_>, screen: &Screen) -> Result<()> {
    up(project, screen).await?;
    stop(project, screen).await?;
    kill(project, screen).await?;
    crash(project, screen).await?;
    replicas(project, screen).await?;
    restart(project, screen).await?;
    screen.step("Down");
    project.shown(&["down"]).await
}

async fn up(project: &Project<'_>, screen: &Screen) -> Result<()> {
    screen.step("docker-compose.yml: Envoy with the filter in front of three pods");
    project.up(&[]).await?;
    let page = Client::http1_fresh().fetch(&project.url(), &[("accept", b"text/html")]).await?;
    screen.check(page.status == 200 && page.pod.contains("<!doctype html>"), "a browser gets the demo page");
    let (mut stayed, mut met) = (true, true);
    for pod in PODS {
        let mut visitor = session_on(project, pod).await?;
        stayed &= visitor.stays(10).await?;
        met &= visitor.socket().await? == pod;
    }
    screen.check(
        stayed,
        "on each pod there are sessions, and they stay there: 10 requests, no second Set-Cookie",
    );
    screen.check(met, "their WebSockets meet the same pod");
    Ok(())
}

async fn stop(project: &Project<'_>, screen: &Screen) -> Result<()> {
    let [pod, other, _] = PODS;
    screen.step(&format!("A pod stops: {pod}"));
    let (mut visitor, mut neighbour) = (session_on(project, pod).await?, session_on(project, other).await?);
    let moved_before = project.outcome("repinned").await?;
    project.shown(&["stop", pod]).await?;
    let failures = move_away(&mut visitor).await?;
    screen::detail(&format!("{failures} × 503, then {}", visitor.pod));
    screen.check(FAILURES.contains(&failures), "Envoy's own 503, until three requests in a row have failed");
    screen.check(visitor.pod != pod, "then the session moves");
    screen.check(visitor.stays(5).await?, "and stays where it moved to");
    screen.check(neighbour.stays(5).await?, "sessions of other pods do not notice");
    let counted =
        eventually(
            "the move is counted",
            async || Ok(project.outcome("repinned").await? == moved_before + 1),
        );
    screen.check(counted.await.is_ok(), "one request is counted as repinned");
    let ejected = format!("backend {pod} ejected for 30 s");
    screen.check(project.log().await.contains(&ejected), "the log says that the backend is ejected");
    back(project, pod).await?;
    screen.check(visitor.stays(5).await?, "when the pod is back, the session stays where it moved to");
    Ok(())
}

async fn kill(project: &Project<'_>, screen: &Screen) -> Result<()> {
    let [_, pod, _] = PODS;
    screen.step(&format!("A pod is killed: {pod}"));
    let mut visitor = session_on(project, pod).await?;
    project.shown(&["kill", pod]).await?;
    let reply = visitor.again().await?;
    screen.check(
        reply.status == 503 && reply.set_cookies.is_empty(),
        "a request that finds it gone: 503, the cookie stays",
    );
    back(project, pod).await?;
    screen.check(visitor.stays(10).await? && visitor.pod == pod, "back in time, it has its session again");

    project.shown(&["kill", pod]).await?;
    let failures = move_away(&mut visitor).await?;
    screen.check(FAILURES.contains(&failures) && visitor.pod != pod, "killed for longer, its session moves");
    back(project, pod).await
}

/// The process ends by itself; Docker starts it again.
async fn crash(project: &Project<'_>, screen: &Screen) -> Result<()> {
    let [_, _, pod] = PODS;
    screen.step(&format!("A pod crashes, and Docker restarts it: {pod}"));
    let mut visitor = session_on(project, pod).await?;
    let started = started(project, pod).await?;
    // Its init passes the signal on.
    project.shown(&["exec", "-T", pod, "deno", "eval", "Deno.kill(1, 'SIGTERM')"]).await?;
    eventually("Docker restarts the pod", async || Ok(self::started(project, pod).await? != started)).await?;
    back(project, pod).await?;
    screen.check(visitor.stays(10).await? && visitor.pod == pod, "its session goes on there");
    Ok(())
}

async fn replicas(project: &Project<'_>, screen: &Screen) -> Result<()> {
    let [_, _, pod] = PODS;
    screen.step(&format!("A backend gets more containers, and less: --scale {pod}=3, 0 and 1"));
    let mut visitor = session_on(project, pod).await?;
    let scaled = async |count: usize| {
        project.up(&["--scale", &format!("{pod}={count}")]).await?;
        if count > 0 { project.wait_for_addresses(pod, pod).await } else { Ok(()) }
    };
    scaled(3).await?;
    screen.check(
        visitor.stays(30).await?,
        "three containers of one backend: its session stays with the backend",
    );
    scaled(0).await?;
    let failures = move_away(&mut visitor).await?;
    screen.check(FAILURES.contains(&failures) && visitor.pod != pod, "none: its session moves");
    scaled(1).await?;
    screen.check(visitor.stays(5).await?, "one again: the session stays where it moved to");
    Ok(())
}

async fn restart(project: &Project<'_>, screen: &Screen) -> Result<()> {
    screen.step("Envoy restarts");
    let mut visitors = Vec::new();
    for _ in 0..20 {
        visitors.push(Visitor::new(&project.url()).await?);
    }
    project.shown(&["restart", "envoy"]).await?;
    project.up(&[]).await?;
    let mut stayed = true;
    for visitor in &mut visitors {
        stayed &= visitor.stays(2).await? && visitor.socket().await? == visitor.pod;
    }
    screen.check(stayed, "20 sessions go on where they were, and their WebSockets too");
    Ok(())
}

/// A session on this pod. Where the pod was ejected, that takes until the ejection is over.
async fn session_on(project: &Project<'_>, pod: &str) -> Result<Visitor> {
    let mut found = None;
    eventually(&format!("a session begins on {pod}"), async || {
        found = Some(Visitor::on(&project.url(), |answered| answered == pod).await?);
        Ok(true)
    })
    .await?;
    found.context("no session")
}

/// Repeats the request until a pod answers; returns how often none did.
async fn move_away(visitor: &mut Visitor) -> Result<usize> {
    for failures in 0..20 {
        let reply = visitor.again().await?;
        match reply.status.as_u16() {
            200 => return Ok(failures),
            503 if reply.set_cookies.is_empty() => {}
            status => bail!("a request was answered {status}: {}", reply.pod),
        }
    }
    bail!("20 requests in a row were answered 503")
}

/// Starts the pod, and waits until Envoy has its address.
async fn back(project: &Project<'_>, pod: &str) -> Result<()> {
    project.up(&["--no-recreate", pod]).await?;
    project.wait_for_addresses(pod, pod).await
}

/// When the pod's container started, and whether it runs.
async fn started(project: &Project<'_>, pod: &str) -> Result<Vec<String>> {
    project.inspect(pod, "{{.State.StartedAt}} {{.State.Running}}").await
}
