//! What was promised, what was measured, and whether the one holds for the other.

use super::crossings;
use super::results::Results;
use super::scale::Dimension;
use super::subjects::PINNED;
use super::tables::grouped;

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * 1024.0;

/// A promise.
pub struct Bound {
    /// Of what.
    pub what: String,
    /// The most that it may be.
    pub most: f64,
    /// What it is.
    pub is: f64,
    /// What both are written with.
    pub unit: &'static str,
    /// So many digits after the point.
    pub digits: usize,
}

impl Bound {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        self.is <= self.most
    }

    /// A figure with its unit.
    pub fn show(&self, figure: f64) -> String {
        let figure = if figure.abs() < 5e-4 { 0.0 } else { figure };
        format!("{figure:.*}{}", self.digits, self.unit)
    }
}

/// All promises on which something was measured.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub fn all(results: &Results) -> Vec<Bound> {
    let bound = |what: &str, most, is: Option<f64>, unit, digits| {
        is.map(|is| Bound { what: what.to_owned(), most, is, unit, digits })
    };
    let costs = results
        .costs
        .iter()
        .filter_map(|cost| bound(&cost.name, cost.bound?, results.ratio(cost.median()), "×", 3));
    let memory = results.memory.map(|memory| (memory.ours.median - memory.noop.median) / MIB);
    let start = results.starts.last().map(|start| start.load + start.configure);
    let leaked = results.leaks.first().zip(results.leaks.last()).map(|(first, last)| {
        let sum = |moment: &super::leaks::Moment| moment.linear.iter().sum::<u64>() as f64;
        (sum(last) - sum(first)) / KIB
    });
    let split = results.churn.iter().map(|churn| churn.disagreements as f64).reduce(f64::max);
    let needless = results.churn.iter().filter(|churn| churn.affinity == "GENERATED_COOKIE");
    let needless = needless.map(|churn| churn.moved.abs_diff(churn.had_to) as f64).reduce(f64::max);
    let module = (results.module > 0).then(|| results.module as f64 / KIB);
    let passive = results.passive_under_load().and_then(|instructions| results.ratio(instructions));
    let most = |name: &str, dimension| {
        let most = results.series(dimension, PINNED).last().map_or(0, |point| point.amount);
        format!("{} {name} against 2", grouped(f64::from(most)))
    };
    let others = [
        bound(&crossings::busy_name(), 1.15, passive, "×", 3),
        bound(
            &most("backends", Dimension::Backends),
            3.0,
            results.growth(Dimension::Backends, 2),
            " % more",
            1,
        ),
        bound(
            &most("services", Dimension::Services),
            3.0,
            results.growth(Dimension::Services, 2),
            " % more",
            1,
        ),
        bound("cookies before ours, over Envoy", 2.0, results.per_byte(), " instructions per byte", 2),
        bound("module", 200.0, module, " KiB", 0),
        bound("load and configure 10,000 backends", 1.0, start, " s", 2),
        bound("memory of a worker over the no-op filter", 4.0, memory, " MiB", 2),
        bound("growth of all VMs by aborted streams", 0.0, leaked, " KiB", 0),
        bound("sessions on which two Envoys disagree", 0.0, split, "", 0),
        bound("sessions moved without need", 0.0, needless, "", 0),
    ];
    costs.chain(others.into_iter().flatten()).collect()
}
