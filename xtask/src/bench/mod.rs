//! `cargo xtask bench`: what a request costs, in instructions of the whole Envoy.

mod callgrind;
mod report;
mod subjects;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::client::Client;
use harness::pod::Pod;
use harness::progress::Progress;

use crate::build;
use callgrind::Instrumented;
use subjects::Subject;

/// How much to measure.
#[derive(clap::Args)]
pub struct Bench {
    /// One run of each instead of three
    #[arg(long)]
    quick: bool,
    /// Only subjects whose name contains this, beside the two that costs are compared with; writes no result
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
}

/// Cookies that every request carries beside the session's.
const OTHER_COOKIES: &str = "theme=dark; consent=2026-01-01.all; _ga=GA1.1.1234567890.1234567890";
/// Requests before counting starts: code is compiled and connections are made.
const WARM_UP: u32 = 3_000;
/// Requests that are counted.
const COUNTED: u32 = 500;
/// For how long what Envoy does by itself is counted, to be taken off.
const IDLE: Duration = Duration::from_secs(2);

/// What one subject costs: instructions per request, one figure for each run.
pub struct Cost {
    /// The subject.
    pub name: &'static str,
    /// Ascending.
    pub runs: Vec<f64>,
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

impl Bench {
    /// Measures, prints the table, and leaves `bench/results.md` and `bench/cost.svg`.
    pub fn run(&self) -> Result<()> {
        build::run()?;
        let costs = tokio::runtime::Runtime::new()?.block_on(self.measure())?;
        match &self.filter {
            Some(_) => report::print(&costs),
            None => report::write(&costs),
        }
    }

    async fn measure(&self) -> Result<Vec<Cost>> {
        let pods = (0..3).map(|index| Pod::start(&format!("neg-demo-{index}")));
        let pods = pods.collect::<Result<Vec<_>>>()?;
        let runs = if self.quick { 1 } else { 3 };
        let mut costs = Vec::new();
        for (index, subject) in subjects::all(&pods).into_iter().enumerate() {
            if index >= 2 && self.filter.as_ref().is_some_and(|part| !subject.name.contains(part.as_str())) {
                continue;
            }
            let progress = Progress::start(subject.name);
            let mut cost = Cost { name: subject.name, runs: Vec::new() };
            for _ in 0..runs {
                cost.runs.push(instructions(&subject).await.with_context(|| subject.name)?);
            }
            cost.runs.sort_by(f64::total_cmp);
            progress.finish(&format!("{:.0} instructions per request", cost.median()));
            costs.push(cost);
        }
        Ok(costs)
    }
}

/// Instructions per request, without what Envoy does by itself meanwhile.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn instructions(subject: &Subject) -> Result<f64> {
    let envoy = Instrumented::start(&subject.config).await?;
    let url = envoy.url();
    let client = Client::http1();
    let first = client.fetch_with_cookie(&url, OTHER_COOKIES).await?;
    let cookies = match first.cookie_pair("GCLB").filter(|_| subject.pinned) {
        Some(session) => format!("{OTHER_COOKIES}; {session}"),
        None => OTHER_COOKIES.to_owned(),
    };
    let mut pods = std::collections::HashSet::new();
    for _ in 0..WARM_UP {
        let reply = client.fetch_with_cookie(&url, &cookies).await?;
        ensure!(reply.status == 200, "status {}", reply.status);
        pods.insert(reply.pod);
    }
    ensure!(!subject.pinned || pods.len() == 1, "the session did not stick: {pods:?}");
    let since = envoy.count()?;
    tokio::time::sleep(IDLE).await;
    let (idle, idle_time) = envoy.stop_counting(since)?;
    let since = envoy.count()?;
    for _ in 0..COUNTED {
        client.fetch_with_cookie(&url, &cookies).await?;
    }
    let (total, time) = envoy.stop_counting(since)?;
    let by_itself = idle as f64 * time.as_secs_f64() / idle_time.as_secs_f64();
    Ok((total as f64 - by_itself) / f64::from(COUNTED))
}
