//! CPU time and latency under load. The subjects take turns repeatedly, so that other activity of the machine affects
//! all of them.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use harness::envoy::Envoy;
use tokio::process::Command;

use crate::client::Headers;
use crate::progress::Bar;
use crate::start;
use crate::statistics::Quartiles;
use crate::subjects::{LUA, NO_FILTER, NOOP, PINNED, PINNED_PASSIVE, REFERENCE, Subject};

/// The subjects that are compared under load.
const COMPARED: [&str; 6] = [NO_FILTER, REFERENCE, NOOP, LUA, PINNED, PINNED_PASSIVE];
/// The rate of requests, as a fraction of the maximum rate of the slowest subject.
const SHARE: f64 = 0.7;
/// Connections of h2load.
const CONNECTIONS: u32 = 32;

/// All subjects at one rate.
#[derive(Clone, Debug)]
pub struct Loads {
    /// Requests per second.
    pub rate: u32,
    /// The subjects, in the order of the tables.
    pub subjects: Vec<UnderLoad>,
}

/// The results of one subject under load.
#[derive(Clone, Debug)]
pub struct UnderLoad {
    /// The subject's name.
    pub name: String,
    /// The maximum requests per second of its one worker.
    pub saturation: f64,
    /// The turns, in the order of the rounds.
    pub turns: Vec<Turn>,
}

/// One turn of one subject.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Microseconds of CPU time for each request, of the whole Envoy process.
    pub cpu: f64,
    /// Microseconds within which half of the requests got a response.
    pub p50: f64,
    /// Microseconds within which 99 % of the requests got a response.
    pub p99: f64,
}

/// Measures the subjects in this many rounds. A turn lasts this many seconds.
pub async fn measure(subjects: &[Subject], rounds: usize, seconds: u32) -> Result<Loads> {
    let subjects: Vec<&Subject> =
        subjects.iter().filter(|subject| COMPARED.contains(&subject.name.as_str())).collect();
    let bar = Bar::start("load", subjects.len() * (1 + rounds));
    let mut running = Vec::new();
    let mut measured: Vec<UnderLoad> = Vec::new();
    for subject in &subjects {
        let envoy = Envoy::options().concurrency(1).log_level("error").start(&subject.config).await?;
        let url = envoy.url();
        let headers = subject.behaviour.headers(&url, &subject.config, 1).await?;
        let load = Load { url, headers: headers.into_iter().next().context("no headers")?, rate: None };
        // During the first second, Envoy opens connections and V8 compiles.
        load.run(1).await?;
        let saturation = load.run(seconds).await?.per_second;
        bar.done(&subject.name, &format!("{saturation:.0} requests per second at most"));
        measured.push(UnderLoad { name: subject.name.clone(), saturation, turns: Vec::new() });
        running.push((envoy, load));
    }
    let slowest = measured.iter().map(|subject| subject.saturation).fold(f64::INFINITY, f64::min);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands")]
    let rate = (slowest * SHARE) as u32;
    for _ in 0..rounds {
        for (measured, (envoy, load)) in measured.iter_mut().zip(&mut running) {
            load.rate = Some(rate);
            let before = start::cpu_time(envoy.pid())?;
            let answers = load.run(seconds).await?;
            let used = start::cpu_time(envoy.pid())?.saturating_sub(before);
            let cpu = used.as_secs_f64() * 1e6 / f64::from(answers.count);
            let Answers { p50, p99, .. } = answers;
            bar.done(&measured.name, &format!("{cpu:.1} µs, p50 {p50:.0} µs, p99 {p99:.0} µs"));
            measured.turns.push(Turn { cpu, p50, p99 });
        }
    }
    Ok(Loads { rate, subjects: measured })
}

impl Loads {
    /// The subject to which the others are compared.
    pub fn reference(&self) -> Option<&UnderLoad> {
        self.subjects.iter().find(|subject| subject.name == REFERENCE)
    }
}

impl UnderLoad {
    /// A figure over all turns.
    pub fn quartiles(&self, figure: impl Fn(&Turn) -> f64) -> Quartiles {
        Quartiles::of(self.turns.iter().map(figure))
    }

    /// A figure as a multiple of another subject's figure in the same round.
    pub fn ratio(&self, other: &Self, figure: impl Fn(&Turn) -> f64) -> Quartiles {
        Quartiles::of(self.turns.iter().zip(&other.turns).map(|(ours, theirs)| figure(ours) / figure(theirs)))
    }
}

/// The requests of h2load (of nghttp2), over HTTP/1.1 connections that are kept alive.
struct Load {
    url: String,
    headers: Headers,
    /// Requests per second; without a value, as many as possible.
    rate: Option<u32>,
}

struct Answers {
    count: u32,
    per_second: f64,
    p50: f64,
    p99: f64,
}

impl Load {
    /// Sends requests for this many seconds.
    async fn run(&self, seconds: u32) -> Result<Answers> {
        let directory = tempfile::tempdir()?;
        let log = directory.path().join("log");
        let mut command = Command::new("h2load");
        command.args(["--h1", "--threads=1"]).arg(format!("--clients={CONNECTIONS}"));
        command.arg(format!("--log-file={}", log.display()));
        if let Some(rate) = self.rate {
            // The connections start one after the other, so that their requests do not arrive in bursts.
            command.args(["--rate=1", "--rate-period=1ms"]);
            command.arg(format!("--rps={}", f64::from(rate) / f64::from(CONNECTIONS)));
            command.arg(format!("--requests={}", rate * seconds));
        } else {
            command.arg(format!("--duration={seconds}"));
        }
        for (name, value) in &self.headers {
            command.arg(format!("--header={name}: {value}"));
        }
        let output = command.arg(&self.url).kill_on_drop(true).output().await.context("h2load")?;
        ensure!(output.status.success(), "h2load: {}", String::from_utf8_lossy(&output.stderr));
        read(&fs::read_to_string(&log)?)
    }
}

/// The fields of each line: microseconds since 1970 when the request was sent, the status, microseconds to the end of
/// the response.
fn read(log: &str) -> Result<Answers> {
    let mut sent = Vec::new();
    let mut times = Vec::new();
    for line in log.lines() {
        let mut fields = line.split_whitespace();
        let mut next = || fields.next().context("a line of h2load's log that is cut off");
        let (began, status, took) = (next()?.parse::<u64>()?, next()?, next()?.parse::<u32>()?);
        ensure!(status == "200", "status {status} under load");
        sent.push(began);
        times.push(took);
    }
    times.sort_unstable();
    let count = u32::try_from(times.len())?;
    let (first, last) = (sent.iter().min().context("no answer")?, sent.iter().max().context("no answer")?);
    let seconds = f64::from(u32::try_from(last - first)?) / 1e6;
    let within = |share: usize| f64::from(times[(times.len() * share / 100).min(times.len() - 1)]);
    Ok(Answers { count, per_second: f64::from(count) / seconds, p50: within(50), p99: within(99) })
}
