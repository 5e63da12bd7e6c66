//! Streams that end in the middle: whether anything of them stays.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::config::Bootstrap;
use harness::envoy::Envoy;
use harness::pod::Pod;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::process;
use super::progress::Bar;
use super::subjects;

/// What is done, for people to read.
pub const WHAT: &str = "Clients whose every third request ends in the middle: they close the connection before the \
    response. All requests\nbring a cookie that is invalid, so that each begins a session.";

/// How long the backend thinks: longer than an aborting client waits.
const DELAY: Duration = Duration::from_millis(20);
/// Clients at the same time.
const CLIENTS: u32 = 100;
/// Which of a client's requests it aborts: every so many-th.
const ABORTED: u32 = 3;

/// Memory at one time.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Requests so far.
    pub requests: u32,
    /// Those of them that Envoy says its client aborted.
    pub aborted: u64,
    /// The linear memory of each VM, in bytes.
    pub linear: Vec<u64>,
    /// Bytes that Envoy has allocated.
    pub allocated: u64,
    /// Bytes of the whole process.
    pub resident: u64,
}

/// Sends so many requests a first time, and then ten times as many again, so that what grows without end shows.
pub async fn measure(requests: u32) -> Result<Vec<Moment>> {
    let pod = Pod::slow_at("slow", SocketAddr::from(([127, 0, 0, 1], 0)), DELAY)?;
    let plugin = subjects::pinned(["slow"]).with("outlierDetection", None);
    let config = Bootstrap::new().cluster_json(without_limits(&pod)).filter(plugin.json()).build();
    let envoy = Envoy::options().concurrency(2).log_level("error").start(&config).await?;
    let (address, steps) = (envoy.address("http").context("a listener")?, 10);
    let bar = Bar::start("aborted streams", steps + 1);
    let step = requests / u32::try_from(steps)?;
    let mut moments = Vec::new();
    for index in 0..=steps {
        send(address, step).await?;
        let moment = moment(&envoy, step * u32::try_from(index + 1)?).await?;
        bar.done(&format!("{} requests", moment.requests), &format!("{:?}", moment.linear));
        moments.push(moment);
    }
    Ok(moments)
}

/// As many connections and requests at a time as there are clients.
fn without_limits(pod: &Pod) -> serde_json::Value {
    let mut cluster = harness::config::cluster(pod.name(), &[pod.address()]);
    cluster["circuit_breakers"] =
        serde_json::json!({ "thresholds": [{ "max_requests": 100_000, "max_pending_requests": 100_000 }] });
    cluster
}

async fn moment(envoy: &Envoy, requests: u32) -> Result<Moment> {
    envoy
        .wait_for_stat("http.http.downstream_rq_active", |active| active == 0, Duration::from_secs(10))
        .await?;
    let aborted = envoy.stat("http.http.downstream_cx_destroy_remote_active_rq").await?;
    Ok(Moment {
        requests,
        aborted,
        linear: process::linear_memories(envoy.pid())?,
        allocated: envoy.stat("server.memory_allocated").await?,
        resident: process::resident(envoy.pid())?,
    })
}

async fn send(address: SocketAddr, requests: u32) -> Result<()> {
    let left = Arc::new(AtomicU32::new(requests));
    let mut clients: JoinSet<Result<()>> = (0..CLIENTS).map(|_| client(address, Arc::clone(&left))).collect();
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    Ok(())
}

/// Requests over one connection, until one is aborted, which ends it. Some have no session yet.
async fn client(address: SocketAddr, left: Arc<AtomicU32>) -> Result<()> {
    let take = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
    let mut connection = TcpStream::connect(address).await?;
    let mut index = 0;
    while take() {
        index += 1;
        connection.write_all(b"GET / HTTP/1.1\r\nhost: bench\r\ncookie: a=b; GCLB=x\r\n\r\n").await?;
        if index % ABORTED == 0 {
            // It has arrived before the connection goes.
            tokio::time::sleep(DELAY / 4).await;
            connection = TcpStream::connect(address).await?;
        } else {
            read_answer(&mut connection).await?;
        }
    }
    Ok(())
}

async fn read_answer(connection: &mut TcpStream) -> Result<()> {
    let mut answer = Vec::new();
    let mut buffer = [0; 2048];
    while !answer.ends_with(b"\r\n\r\nslow") {
        let count = connection.read(&mut buffer).await?;
        ensure!(count > 0, "cut off: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..count]);
    }
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    Ok(())
}
