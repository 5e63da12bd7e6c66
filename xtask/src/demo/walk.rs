//! The walk: what a client sees with each affinity type.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::StreamExt as _;
use harness::client::{self, Client, Reply};
use harness::envoy::Envoy;
use serde_json::json;

use super::config::Demonstration;
use crate::screen::{self, Screen, Tally};

const COOKIE: &str = "GCLB";

/// Number of requests that are spread over the pods. The probability that one of three pods gets none of them is about
/// 8 in 10¹¹.
const MANY: u32 = 60;

/// Time between two checks whether the session has expired.
const POLL: Duration = Duration::from_millis(50);

/// Shows every step. A step that fails is marked on the screen. An error is only returned if the walk cannot continue.
pub async fn walk(demonstration: &Demonstration, envoy: &Envoy, screen: &Screen) -> Result<()> {
    no_cookie(envoy, screen).await?;
    with_cookie(envoy, screen).await?;
    web_sockets(envoy, screen).await?;
    expiry(demonstration, screen).await?;
    client_ip(demonstration, screen).await?;
    none(demonstration, screen).await
}

async fn no_cookie(envoy: &Envoy, screen: &Screen) -> Result<()> {
    screen.step("Clients without the cookie are spread over the pods");
    screen::detail("envoy/envoy.yaml as it is: GENERATED_COOKIE, affinityCookieTtlSec: 50");
    let mut tally = Tally::default();
    let mut cookies = 0;
    for _ in 0..MANY {
        let reply = ask(envoy, &[]).await?;
        cookies += u32::from(reply.set_cookie(COOKIE).is_some());
        tally.add(&reply.pod);
    }
    screen::answers(&format!("{MANY} new clients"), &tally);
    screen.check(tally.pods() == 3, "every pod got some of them");
    screen.check(cookies == MANY, "every response brought the cookie of a new session");
    Ok(())
}

async fn with_cookie(envoy: &Envoy, screen: &Screen) -> Result<()> {
    screen.step("A client with the cookie stays on its pod");
    let mut stayed = true;
    let mut quiet = true;
    for client in 1..=3 {
        let first = ask(envoy, &[]).await?;
        let cookie = first.cookie_pair(COOKIE).context("no cookie came")?;
        if client == 1 {
            screen::detail(&format!("set-cookie: {}", first.set_cookie(COOKIE).unwrap_or_default()));
        }
        let mut tally = Tally::default();
        for _ in 0..10 {
            let reply = ask(envoy, &[("cookie", cookie.as_bytes())]).await?;
            quiet &= reply.set_cookies.is_empty();
            tally.add(&reply.pod);
        }
        stayed &= tally.is_only(&first.pod);
        screen::answers(&format!("client {client}, 10 requests"), &tally);
    }
    screen.check(stayed, "each client stays on the pod of its first response");
    screen.check(quiet, "no second Set-Cookie, because the session has not changed");
    Ok(())
}

async fn web_sockets(envoy: &Envoy, screen: &Screen) -> Result<()> {
    screen.step("WebSockets reach the same pod after each reconnect");
    let first = ask(envoy, &[]).await?;
    let cookie = first.cookie_pair(COOKIE).context("no cookie came")?;
    let mut tally = Tally::default();
    for _ in 0..5 {
        let url = format!("{}/ws", envoy.url());
        let (_, mut socket) = client::websocket(&url, &[("cookie", cookie.as_bytes())]).await?;
        let message = socket.next().await.context("the WebSocket said nothing")??;
        tally.add(message.to_text()?);
    }
    screen::answers("5 connections", &tally);
    screen.check(tally.is_only(&first.pod), "each connection goes to the pod of the page");
    Ok(())
}

async fn expiry(demonstration: &Demonstration, screen: &Screen) -> Result<()> {
    screen.step("A session ends after affinityCookieTtlSec");
    screen::detail("a second Envoy: the same file with affinityCookieTtlSec: 2 in place of 50");
    let affinity = json!({ "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": 2 });
    let envoy = demonstration.with_affinity(affinity).await?;
    let start = Instant::now();
    let first = ask(&envoy, &[]).await?;
    let cookie = first.cookie_pair(COOKIE).context("no cookie came")?;
    let mut tally = Tally::default();
    let mut ended = None;
    while ended.is_none() && start.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(POLL).await;
        let reply = ask(&envoy, &[("cookie", cookie.as_bytes())]).await?;
        if reply.set_cookie(COOKIE).is_some() {
            ended = Some(start.elapsed().as_secs_f64());
        } else {
            tally.add(&reply.pod);
        }
    }
    screen::answers("the same cookie", &tally);
    let after = ended.map_or_else(|| "never".to_owned(), |seconds| format!("after {seconds:.1} s"));
    screen.check(tally.is_only(&first.pod), "until then, the session stays on its pod");
    // The cookie counts whole seconds, so it may end up to one second early or late.
    let in_time = ended.is_some_and(|seconds| (1.0..=3.5).contains(&seconds));
    screen.check(
        in_time,
        &format!("a new session began {after}, although the client still sent the old cookie"),
    );
    Ok(())
}

async fn client_ip(demonstration: &Demonstration, screen: &Screen) -> Result<()> {
    screen.step("CLIENT_IP: an address stays on its pod, without any cookie");
    screen::detail("the same file with affinityType: CLIENT_IP; one trusted hop, to play several clients");
    let envoy = demonstration.with_affinity(json!({ "affinityType": "CLIENT_IP" })).await?;
    let mut all = Tally::default();
    let (mut stayed, mut quiet) = (true, true);
    for host in 1..=40 {
        let address = format!("203.0.113.{host}");
        let mut tally = Tally::default();
        for _ in 0..5 {
            let reply = ask(&envoy, &[("x-forwarded-for", address.as_bytes())]).await?;
            quiet &= reply.set_cookies.is_empty();
            tally.add(&reply.pod);
            all.add(&reply.pod);
        }
        stayed &= tally.pods() == 1;
        if host <= 3 {
            screen::answers(&address, &tally);
        }
    }
    screen::answers("40 such clients together", &all);
    screen.check(stayed, "each address stays on one pod");
    screen.check(all.pods() == 3, "the addresses spread over all pods");
    screen.check(quiet, "no cookie");
    Ok(())
}

async fn none(demonstration: &Demonstration, screen: &Screen) -> Result<()> {
    screen.step("NONE: no affinity");
    screen::detail("the same file with affinityType: NONE");
    let envoy = demonstration.with_affinity(json!({ "affinityType": "NONE" })).await?;
    let jar = Client::jar();
    let mut tally = Tally::default();
    let mut quiet = true;
    for _ in 0..MANY {
        let reply = jar.fetch(&envoy.url(), &[]).await?;
        quiet &= reply.set_cookies.is_empty();
        tally.add(&reply.pod);
    }
    screen::answers(&format!("one client, {MANY} requests"), &tally);
    screen.check(tally.pods() == 3, "every pod got some of them");
    screen.check(quiet, "no cookie");
    Ok(())
}

/// Sends a request that a pod must answer.
async fn ask(envoy: &Envoy, headers: &[(&str, &[u8])]) -> Result<Reply> {
    let reply = Client::http1().fetch(&envoy.url(), headers).await?;
    ensure!(reply.status == 200, "a request was answered {}: {}", reply.status, reply.pod);
    Ok(reply)
}
