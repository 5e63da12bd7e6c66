//! Envoy's admin interface.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde_json::Value;

pub(super) async fn get(http: &reqwest::Client, admin: SocketAddr, path: &str) -> Result<String> {
    text(http.get(format!("http://{admin}{path}")), path).await
}

pub(super) async fn post(http: &reqwest::Client, admin: SocketAddr, path: &str) -> Result<String> {
    text(http.post(format!("http://{admin}{path}")), path).await
}

async fn text(request: reqwest::RequestBuilder, path: &str) -> Result<String> {
    let what = || format!("Envoy's admin interface, {path}");
    Ok(request.send().await.with_context(what)?.error_for_status()?.text().await?)
}

pub(super) async fn listeners(
    http: &reqwest::Client,
    admin: SocketAddr,
) -> Result<Vec<(String, SocketAddr)>> {
    let page: Value = serde_json::from_str(&get(http, admin, "/listeners?format=json").await?)?;
    let mut listeners = Vec::new();
    for status in page["listener_statuses"].as_array().into_iter().flatten() {
        let name = status["name"].as_str().unwrap_or_default().to_owned();
        let socket = &status["local_address"]["socket_address"];
        let (Some(host), Some(port)) = (socket["address"].as_str(), socket["port_value"].as_u64()) else {
            continue;
        };
        let ip = host.parse().with_context(|| format!("listener {name} at {host}"))?;
        listeners.push((name, SocketAddr::new(ip, u16::try_from(port)?)));
    }
    Ok(listeners)
}

pub(super) async fn stats(
    http: &reqwest::Client,
    admin: SocketAddr,
    prefix: &str,
) -> Result<BTreeMap<String, u64>> {
    let page = get(http, admin, "/stats").await?;
    // Histograms and text readouts have no number after the colon, so they are skipped.
    Ok(page
        .lines()
        .filter(|line| line.starts_with(prefix))
        .filter_map(|line| line.split_once(": "))
        .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
        .collect())
}
