//! Instructions per request of the whole Envoy.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _};
use harness::client::Client;

use super::callgrind::Instrumented;
use super::progress::Bar;
use super::subjects::{Kind, Subject, send};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Fresh processes; the result is the median.
    pub runs: usize,
    /// Requests before counting starts: code is compiled and connections are made.
    pub warm_up: usize,
    /// Requests that are counted.
    pub counted: usize,
}

impl Effort {
    /// For figures that are published.
    pub const FULL: Self = Self { runs: 3, warm_up: 3_000, counted: 500 };
    /// For a first look.
    pub const QUICK: Self = Self { runs: 1, warm_up: 2_000, counted: 300 };
}

/// For how long what Envoy does by itself is counted, to be taken off.
const IDLE: Duration = Duration::from_secs(2);

/// What one subject costs.
#[derive(Clone, Debug)]
pub struct Cost {
    /// The subject's name.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// What it may cost, as a multiple of the reference.
    pub bound: Option<f64>,
    /// Instructions per request, one figure for each run, ascending.
    pub runs: Vec<f64>,
    /// Instructions in a second without requests: timers.
    pub idle: f64,
}

impl Cost {
    /// The middle one.
    pub fn median(&self) -> f64 {
        self.runs[self.runs.len() / 2]
    }

    /// From the least to the most, in per cent of the median.
    pub fn spread(&self) -> f64 {
        (self.runs[self.runs.len() - 1] - self.runs[0]) / self.median() * 100.0
    }
}

/// Measures all of them, as many at a time as the machine has cores: whatever else it does, the count is the same.
pub async fn measure(name: &'static str, subjects: Vec<Subject>, effort: Effort) -> Result<Vec<Cost>> {
    let bar = Bar::start(name, subjects.len() * effort.runs);
    let jobs: Vec<Subject> =
        subjects.iter().flat_map(|subject| std::iter::repeat_n(subject.clone(), effort.runs)).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let bar = &bar;
    let counts: Vec<Count> = futures_util::stream::iter(jobs)
        .map(|subject| async move {
            let name = subject.name.clone();
            let count = tokio::spawn(async move { count(&subject, effort).await });
            let count = count.await?.with_context(|| name.clone())?;
            bar.done(&name, &format!("{:.0} instructions per request", count.per_request));
            anyhow::Ok(count)
        })
        .buffered(cores)
        .try_collect()
        .await?;
    let costs = subjects.into_iter().zip(counts.chunks(effort.runs)).map(|(subject, counts)| {
        let mut runs: Vec<f64> = counts.iter().map(|count| count.per_request).collect();
        runs.sort_by(f64::total_cmp);
        Cost {
            name: subject.name,
            kind: subject.kind,
            bound: subject.bound,
            runs,
            idle: counts[0].idle_per_second,
        }
    });
    Ok(costs.collect())
}

struct Count {
    per_request: f64,
    idle_per_second: f64,
}

/// One run, without what Envoy does by itself meanwhile.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn count(subject: &Subject, effort: Effort) -> Result<Count> {
    let envoy = Instrumented::start(&subject.config).await?;
    let url = envoy.url();
    let all = effort.warm_up + effort.counted;
    let headers = subject.behaviour.headers(&url, &subject.config, &subject.other_cookies, all).await?;
    let mut headers = headers.iter().cycle();
    let client = Client::http1();
    let mut answered_by = HashSet::new();
    for _ in 0..effort.warm_up {
        answered_by.insert(send(&client, &url, headers.next().context("no headers")?).await?);
    }
    ensure!(!subject.behaviour.sticks() || answered_by.len() == 1, "it did not stick: {answered_by:?}");
    let since = envoy.count()?;
    tokio::time::sleep(IDLE).await;
    let (idle, idle_time) = envoy.stop_counting(since)?;
    let idle_per_second = idle as f64 / idle_time.as_secs_f64();
    let since = envoy.count()?;
    for _ in 0..effort.counted {
        let began = Instant::now();
        send(&client, &url, headers.next().context("no headers")?).await?;
        if let Some(pace) = subject.pace {
            tokio::time::sleep(pace.saturating_sub(began.elapsed())).await;
        }
    }
    let (total, time) = envoy.stop_counting(since)?;
    let by_itself = idle_per_second * time.as_secs_f64();
    Ok(Count { per_request: (total as f64 - by_itself) / effort.counted as f64, idle_per_second })
}
