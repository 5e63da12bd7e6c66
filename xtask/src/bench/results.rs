//! All that was measured, and what may be concluded from it.

use super::crossings::{self, Crossings};
use super::instructions::Cost;
use super::leaks::Moment;
use super::load::Loads;
use super::memory::Memory;
use super::scale::{Dimension, Point};
use super::simulation::Churn;
use super::starting::Start;
use super::subjects::{NO_FILTER, PINNED, PINNED_PASSIVE, REFERENCE};

/// What was measured; what was not is empty.
#[derive(Default)]
pub struct Results {
    /// Instructions per request.
    pub costs: Vec<Cost>,
    /// Host calls per request.
    pub crossings: Vec<Crossings>,
    /// Instructions with more of everything.
    pub scale: Vec<Point>,
    /// CPU time and latency.
    pub load: Option<Loads>,
    /// Bytes of the module.
    pub module: u64,
    /// Time to load it.
    pub starts: Vec<Start>,
    /// Memory for each worker.
    pub memory: Option<Memory>,
    /// Memory after many aborted streams.
    pub leaks: Vec<Moment>,
    /// A fleet.
    pub churn: Vec<Churn>,
}

impl Results {
    /// The cost of a subject.
    pub fn cost(&self, name: &str) -> Option<&Cost> {
        self.costs.iter().find(|cost| cost.name == name)
    }

    /// The crossings of a subject.
    pub fn crossings(&self, name: &str) -> Option<&Crossings> {
        self.crossings.iter().find(|crossings| crossings.name == name)
    }

    /// Instructions of a subject as a multiple of the reference.
    pub fn ratio(&self, instructions: f64) -> Option<f64> {
        Some(instructions / self.cost(REFERENCE)?.median())
    }

    /// Which share of responses passive detection looks at under load, all where traffic is light.
    pub fn looked_at(&self) -> Option<f64> {
        let (none, all) = (self.crossings(PINNED)?, self.crossings(PINNED_PASSIVE)?);
        let busy = self.crossings(&crossings::busy_name())?;
        let cost_of_all = all.calls() - none.calls();
        (cost_of_all > 0.0).then(|| ((busy.calls() - none.calls()) / cost_of_all).clamp(0.0, 1.0))
    }

    /// Instructions of a pinned request under load with passive detection. Callgrind slows Envoy down to light
    /// traffic, so that this is made of what it counts with all responses looked at and with none.
    pub fn passive_under_load(&self) -> Option<f64> {
        let (none, all) = (self.cost(PINNED)?.median(), self.cost(PINNED_PASSIVE)?.median());
        Some(none + (all - none) * self.looked_at()?)
    }

    /// The points of a series in a dimension.
    pub fn series(&self, dimension: Dimension, series: &str) -> Vec<&Point> {
        let of = |point: &&Point| point.dimension == dimension && point.series == series;
        self.scale.iter().filter(of).collect()
    }

    /// By how many per cent the last of a dimension costs more than the first of at least `from`.
    pub fn growth(&self, dimension: Dimension, from: u32) -> Option<f64> {
        let points = self.series(dimension, PINNED);
        let first = points.iter().find(|point| point.amount >= from)?;
        let last = points.last().filter(|last| last.amount > first.amount)?;
        Some((last.cost.median() / first.cost.median() - 1.0) * 100.0)
    }

    /// Instructions for each byte of cookies before ours, over what Envoy itself spends on it.
    pub fn per_byte(&self) -> Option<f64> {
        let over = |index: fn(&[&Point]) -> Option<Point>| {
            let ours = index(&self.series(Dimension::Cookies, PINNED))?;
            let none = index(&self.series(Dimension::Cookies, NO_FILTER))?;
            Some((ours.cost.median() - none.cost.median(), ours.amount))
        };
        let (few, least) = over(|points| points.first().map(|point| (*point).clone()))?;
        let (many, most) = over(|points| points.last().map(|point| (*point).clone()))?;
        (most > least).then(|| (many - few) / f64::from(most - least))
    }
}
