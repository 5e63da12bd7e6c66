//! CPU time and latency under load, all subjects in turn, again and again: what the machine does beside it meets
//! them all.

use anyhow::{Context as _, Result};
use harness::envoy::Envoy;

use super::h2load::{self, Answers, Load};
use super::process;
use super::progress::Bar;
use super::subjects::{Kind, NO_FILTER, NOOP, PINNED, PINNED_PASSIVE, REFERENCE, Subject};

/// How much of what the slowest can take is sent.
const SHARE: f64 = 0.7;

/// How long it goes on.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Turns of each subject.
    pub rounds: usize,
    /// The seconds of a turn.
    pub seconds: u32,
}

/// One turn of one subject.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Microseconds on a core, of the Envoy process, for each request.
    pub cpu: f64,
    /// Its latencies.
    pub answers: Answers,
}

/// What one subject does under load.
#[derive(Clone, Debug)]
pub struct UnderLoad {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// Requests a second that its one worker can take.
    pub saturation: f64,
    /// In the order of the rounds.
    pub turns: Vec<Turn>,
}

/// All of them, at one rate.
#[derive(Clone, Debug)]
pub struct Loads {
    /// Requests in a second.
    pub rate: u32,
    /// The subjects, in the order of the tables.
    pub subjects: Vec<UnderLoad>,
}

/// Measures the subjects that are compared under load.
pub async fn measure(subjects: &[Subject], effort: Effort) -> Result<Loads> {
    let compared = [NO_FILTER, REFERENCE, NOOP, "Lua filter, pinned", PINNED, PINNED_PASSIVE];
    let subjects: Vec<&Subject> =
        subjects.iter().filter(|subject| compared.contains(&subject.name.as_str())).collect();
    let bar = Bar::start("load", subjects.len() * (1 + effort.rounds));
    let mut running = Vec::new();
    for subject in &subjects {
        let envoy = Envoy::options().concurrency(1).log_level("error").start(&subject.config).await?;
        let url = envoy.url();
        let headers = subject.behaviour.headers(&url, &subject.config, &subject.other_cookies, 1).await?;
        let headers = headers.into_iter().next().context("no headers")?;
        running.push((envoy, Load { url, headers, seconds: effort.seconds, rate: None }));
    }
    let mut measured: Vec<UnderLoad> = Vec::new();
    for (subject, (_, load)) in subjects.iter().zip(&running) {
        // The first second compiles and connects.
        h2load::run(&Load { seconds: 1, ..load.clone() }).await?;
        let saturation = h2load::run(load).await?.per_second;
        bar.done(&subject.name, &format!("{saturation:.0} requests per second at most"));
        measured.push(UnderLoad {
            name: subject.name.clone(),
            kind: subject.kind,
            saturation,
            turns: Vec::new(),
        });
    }
    let slowest = measured.iter().map(|subject| subject.saturation).fold(f64::INFINITY, f64::min);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands")]
    let rate = (slowest * SHARE) as u32;
    for _ in 0..effort.rounds {
        for (measured, (envoy, load)) in measured.iter_mut().zip(&running) {
            let before = process::cpu_time(envoy.pid())?;
            let answers = h2load::run(&Load { rate: Some(rate), ..load.clone() }).await?;
            let used = process::cpu_time(envoy.pid())?.saturating_sub(before);
            let cpu = used.as_secs_f64() * 1e6 / f64::from(answers.count);
            let how = format!("{cpu:.1} µs, p50 {:.0} µs, p99 {:.0} µs", answers.p50, answers.p99);
            bar.done(&measured.name, &how);
            measured.turns.push(Turn { cpu, answers });
        }
    }
    Ok(Loads { rate, subjects: measured })
}

impl Loads {
    /// The one that others are compared with.
    pub fn reference(&self) -> Option<&UnderLoad> {
        self.subjects.iter().find(|subject| subject.name == REFERENCE)
    }
}

impl UnderLoad {
    /// The median of a figure over all turns.
    pub fn median(&self, figure: impl Fn(&Turn) -> f64) -> f64 {
        Ratio::of(self.turns.iter().map(figure)).median
    }

    /// The ratios of a figure to that of another subject in the same round.
    pub fn ratio(&self, other: &Self, figure: impl Fn(&Turn) -> f64) -> Ratio {
        Ratio::of(self.turns.iter().zip(&other.turns).map(|(ours, theirs)| figure(ours) / figure(theirs)))
    }
}

/// A median and what lies around it.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    /// A quarter is below.
    pub low: f64,
    /// Half is.
    pub median: f64,
    /// A quarter is above.
    pub high: f64,
}

impl Ratio {
    /// Of these figures; not a number where there are none.
    pub fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |quarter: usize| {
            let last = sorted.len().saturating_sub(1);
            sorted.get((last * quarter + 2) / 4).copied().unwrap_or(f64::NAN)
        };
        Self { low: at(1), median: at(2), high: at(3) }
    }
}
