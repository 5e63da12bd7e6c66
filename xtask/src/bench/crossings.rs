//! Calls between Envoy and the VM, as Envoy itself logs them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::client::Client;
use harness::envoy::Envoy;

use super::h2load::{self, Load};
use super::progress::Bar;
use super::subjects::{PINNED_PASSIVE, Subject, send};

/// Requests that are counted where traffic is light.
const COUNTED: u32 = 50;
/// What Envoy calls by itself: the calls within are no request's.
const OF_NO_STREAM: [&str; 2] = ["proxy_on_tick", "proxy_on_http_call_response"];
/// The requests of a second where it is not.
pub const BUSY: u32 = 1_000;

/// Calls per request, by name.
#[derive(Clone, Debug)]
pub struct Crossings {
    /// The subject, and how busy it was.
    pub name: String,
    /// What the filter asks of Envoy.
    pub to_host: BTreeMap<String, f64>,
    /// What Envoy calls in the filter.
    pub to_filter: BTreeMap<String, f64>,
}

impl Crossings {
    /// All that the filter asks.
    pub fn calls(&self) -> f64 {
        self.to_host.values().fold(0.0, |sum, count| sum + count)
    }

    /// All that Envoy calls, memory for what it hands over included.
    pub fn callbacks(&self) -> f64 {
        self.to_filter.values().fold(0.0, |sum, count| sum + count)
    }
}

/// How crossings of a busy Envoy are called.
pub fn busy_name() -> String {
    format!("{PINNED_PASSIVE}, at {BUSY} requests a second")
}

/// Counts those of each subject that is a Wasm filter.
pub async fn measure(subjects: &[Subject]) -> Result<Vec<Crossings>> {
    let with_vm = |subject: &&Subject| subject.config.to_string().contains("envoy.wasm.runtime.v8");
    let subjects: Vec<&Subject> = subjects.iter().filter(with_vm).collect();
    let bar = Bar::start("host calls", subjects.len());
    let mut all = Vec::new();
    for subject in subjects {
        let counted = light(subject).await.with_context(|| subject.name.clone())?;
        bar.done(&subject.name, &format!("{:.2} host calls", counted.calls()));
        all.push(counted);
        if subject.name == PINNED_PASSIVE {
            let counted = busy(subject).await.with_context(|| subject.name.clone())?;
            bar.done(&counted.name, &format!("{:.2} host calls", counted.calls()));
            all.push(counted);
        }
    }
    Ok(all)
}

async fn start(subject: &Subject) -> Result<Envoy> {
    let options = Envoy::options().concurrency(1).log_level("warning");
    options.argument("--component-log-level").argument("wasm:trace").start(&subject.config).await
}

/// One request after the other.
async fn light(subject: &Subject) -> Result<Crossings> {
    let envoy = start(subject).await?;
    let (url, count) = (envoy.url(), usize::try_from(COUNTED)?);
    let headers = subject.behaviour.headers(&url, &subject.config, &subject.other_cookies, count).await?;
    let before = envoy.log().len();
    let client = Client::http1();
    for headers in headers.iter().cycle().take(count) {
        send(&client, &url, headers).await?;
        tokio::time::sleep(subject.pace.unwrap_or_default()).await;
    }
    let log = log_of_ended_streams(&envoy).await?;
    Ok(count_calls(&subject.name, log.get(before..).unwrap_or_default()))
}

/// The log, once no stream is left of which there is more to log.
async fn log_of_ended_streams(envoy: &Envoy) -> Result<String> {
    envoy
        .wait_for_stat("http.http.downstream_rq_active", |active| active == 0, Duration::from_secs(5))
        .await?;
    // Streams are deleted after their answer, at the end of the worker's turn.
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(envoy.log())
}

/// So many requests in a second.
async fn busy(subject: &Subject) -> Result<Crossings> {
    let envoy = start(subject).await?;
    let url = envoy.url();
    let headers = subject.behaviour.headers(&url, &subject.config, &subject.other_cookies, 1).await?;
    let load = Load { url, headers: headers[0].clone(), seconds: 3, rate: Some(BUSY) };
    // The filter learns the rate as it goes.
    h2load::run(&Load { seconds: 2, ..load.clone() }).await?;
    let before = envoy.log().len();
    h2load::run(&load).await?;
    let log = log_of_ended_streams(&envoy).await?;
    Ok(count_calls(&busy_name(), log.get(before..).unwrap_or_default()))
}

/// Counts the calls of streams. What belongs to a tick or a probe, and what is logged because the log is on, is left out.
fn count_calls(name: &str, log: &str) -> Crossings {
    let mut ticking: HashMap<&str, bool> = HashMap::new();
    let (mut to_host, mut to_filter) = (BTreeMap::new(), BTreeMap::new());
    let mut requests = 0.0;
    for line in log.lines() {
        let Some((thread, message)) = trace(line) else { continue };
        let ticking = ticking.entry(thread).or_default();
        if OF_NO_STREAM.iter().any(|callback| message.contains(callback)) {
            *ticking = message.starts_with("[host->vm]");
        } else if let Some(call) = message.strip_prefix("[host->vm] ").filter(|_| !*ticking) {
            let function = function(call);
            requests += f64::from(u8::from(function == "on_request_headers"));
            *to_filter.entry(function).or_insert(0.0) += 1.0;
        } else if let Some(call) = message.strip_prefix("[vm->host] ").filter(|_| !*ticking) {
            let function = function(call);
            if function != "log" {
                *to_host.entry(function).or_insert(0.0) += 1.0;
            }
        }
    }
    let per_request = |counts: BTreeMap<String, f64>| {
        counts.into_iter().map(|(function, count)| (function, count / f64::max(requests, 1.0))).collect()
    };
    Crossings { name: name.to_owned(), to_host: per_request(to_host), to_filter: per_request(to_filter) }
}

/// The thread and the message of `[time][thread][trace][wasm] [file] message`.
fn trace(line: &str) -> Option<(&str, &str)> {
    let (head, rest) = line.split_once("[trace][wasm] [")?;
    let thread = head.split('[').nth(2)?;
    Some((thread, rest.split_once("] ")?.1))
}

/// `get_property` of `env.proxy_get_property(1, 2)`.
fn function(call: &str) -> String {
    let name = call.split('(').next().unwrap_or_default();
    let name = name.rsplit('.').next().unwrap_or_default();
    name.strip_prefix("proxy_").unwrap_or(name).to_owned()
}
