//! Instructions of the whole Envoy for one request, counted by valgrind's callgrind. The count is the same to about 0.1
//! % in every run, independent of the load of the machine.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _};
use harness::client::Client;
use harness::envoy::Envoy;
use serde_json::Value;

use crate::client::send;
use crate::progress::Bar;
use crate::subjects::{Kind, Subject};

/// The size of a measurement.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Fresh processes; the result is the median.
    pub runs: usize,
    /// Requests before counting starts, so that V8 has compiled everything and connections exist.
    pub warm_up: usize,
    /// Requests that are counted.
    pub counted: usize,
}

impl Effort {
    /// The size for published figures.
    pub const FULL: Self = Self { runs: 3, warm_up: 3_000, counted: 500 };
    /// The size for a quick look.
    pub const QUICK: Self = Self { runs: 1, warm_up: 2_000, counted: 300 };
}

/// The time for which Envoy is counted without requests. The instructions of its timers are subtracted from the figure
/// of a request.
const IDLE: Duration = Duration::from_secs(2);

/// The cost of a request of one subject.
#[derive(Clone, Debug)]
pub struct Cost {
    /// The subject's name.
    pub name: String,
    /// The subject's kind.
    pub kind: Kind,
    /// The promised maximum, as a multiple of the reference.
    pub bound: Option<f64>,
    /// Instructions per request, one figure for each run, ascending. Empty if a run failed.
    pub runs: Vec<f64>,
    /// Instructions per second without requests.
    pub idle: f64,
}

impl Cost {
    /// The instructions per request. NaN if a run failed.
    pub fn median(&self) -> f64 {
        self.runs.get(self.runs.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The distance from the lowest to the highest run, in percent of the median.
    pub fn spread(&self) -> f64 {
        let (low, high) = (self.runs.first(), self.runs.last());
        low.zip(high).map_or(f64::NAN, |(low, high)| (high - low) / self.median() * 100.0)
    }
}

/// Measures all subjects. As many run in parallel as the machine has cores. If a subject fails, for example because the
/// module refuses its configuration, the error is printed, and the other subjects continue.
pub async fn measure(name: &'static str, subjects: Vec<Subject>, effort: Effort) -> Result<Vec<Cost>> {
    let bar = Bar::start(name, subjects.len() * effort.runs);
    let jobs: Vec<Subject> =
        subjects.iter().flat_map(|subject| std::iter::repeat_n(subject.clone(), effort.runs)).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let counts: Vec<Option<Count>> = futures_util::stream::iter(jobs)
        .map(|subject| async {
            let name = subject.name.clone();
            let count = match tokio::spawn(async move { count(&subject, effort).await }).await? {
                Ok(count) => Some(count),
                Err(error) => {
                    eprintln!("{} {name}: {error:#}", console::style("not measured:").red().bold());
                    None
                }
            };
            let outcome = |count: &Count| format!("{:.0} instructions per request", count.per_request);
            bar.done(&name, &count.as_ref().map_or_else(|| "failed".to_owned(), outcome));
            anyhow::Ok(count)
        })
        .buffered(cores)
        .try_collect()
        .await?;
    let costs = subjects.into_iter().zip(counts.chunks(effort.runs)).map(|(subject, counts)| {
        let counts: Vec<&Count> =
            counts.iter().map(Option::as_ref).collect::<Option<_>>().unwrap_or_default();
        let mut runs: Vec<f64> = counts.iter().map(|count| count.per_request).collect();
        runs.sort_by(f64::total_cmp);
        let idle = counts.first().map_or(f64::NAN, |count| count.idle_per_second);
        Cost { name: subject.name, kind: subject.kind, bound: subject.bound, runs, idle }
    });
    Ok(costs.collect())
}

struct Count {
    per_request: f64,
    idle_per_second: f64,
}

/// One run.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn count(subject: &Subject, effort: Effort) -> Result<Count> {
    let envoy = Instrumented::start(&subject.config).await?;
    let url = envoy.url();
    let all = effort.warm_up + effort.counted;
    let headers = subject.behaviour.headers(&url, &subject.config, all).await?;
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
    let by_timers = idle_per_second * time.as_secs_f64();
    Ok(Count { per_request: (total as f64 - by_timers) / effort.counted as f64, idle_per_second })
}

/// An Envoy with one worker that runs under callgrind.
struct Instrumented {
    envoy: Envoy,
    /// The output file of callgrind.
    directory: tempfile::TempDir,
}

impl Instrumented {
    /// Starts Envoy. Counting is off.
    async fn start(config: &Value) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let wrapper = wrapper(directory.path(), &harness::envoy_binary::locate()?)?;
        let options = Envoy::options().binary(wrapper).concurrency(1).log_level("warning");
        let envoy = options.start(config).await.context("Envoy under callgrind")?;
        Ok(Self { envoy, directory })
    }

    fn url(&self) -> String {
        self.envoy.url()
    }

    /// Switches counting on.
    fn count(&self) -> Result<Instant> {
        self.control("--zero")?;
        self.control("--instr=on")?;
        Ok(Instant::now())
    }

    /// Switches counting off. Returns the number of instructions and the duration of the count.
    fn stop_counting(&self, since: Instant) -> Result<(u64, Duration)> {
        let elapsed = since.elapsed();
        self.control("--instr=off")?;
        self.control("--dump")?;
        Ok((newest_total(self.directory.path())?, elapsed))
    }

    fn control(&self, argument: &str) -> Result<()> {
        let mut command = Command::new("callgrind_control");
        command.arg(argument).arg(self.envoy.pid().to_string()).stdout(Stdio::null()).stderr(Stdio::null());
        if !command.status().context("callgrind_control")?.success() {
            bail!("callgrind_control {argument} failed");
        }
        Ok(())
    }
}

/// A script that runs Envoy under callgrind, with Envoy's own arguments.
fn wrapper(directory: &Path, envoy: &Path) -> Result<PathBuf> {
    let script = directory.join("envoy-under-callgrind");
    let text = format!(
        "#!/bin/sh\nexec valgrind --tool=callgrind --smc-check=all-non-file --instr-atstart=no \
         --callgrind-out-file='{}/out' '{}' \"$@\"\n",
        directory.display(),
        envoy.display()
    );
    fs::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(script)
}

/// The total of the last dump.
fn newest_total(directory: &Path) -> Result<u64> {
    let dumps = fs::read_dir(directory)?.filter_map(|entry| Some(entry.ok()?.path()));
    let numbered = dumps.filter_map(|path| {
        let number = path.file_name()?.to_str()?.strip_prefix("out.")?.parse::<u32>().ok()?;
        Some((number, path))
    });
    let (_, newest) = numbered.max().context("callgrind wrote no dump")?;
    let text = fs::read_to_string(newest)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    total.and_then(|total| total.trim().parse().ok()).context("a dump without a total")
}
