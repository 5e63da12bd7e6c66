//! The promised maximums, and whether the figures meet them.

use crate::Results;
use crate::report::grouped;
use crate::scale::{self, Dimension};
use crate::subjects::{PINNED, PINNED_PASSIVE};

/// Maximum responses of one backend that a worker of the filter examines per second: `LOOKS_PER_SEC` in the filter.
pub const LOOKS_PER_SECOND: u32 = 20;
/// The backends and workers of every measured Envoy. Each worker examines responses of each backend.
pub const BACKENDS: u32 = 3;
pub const WORKERS: u32 = 2;
/// The requests per second of the whole Envoy to which the promised cost of passive detection applies.
pub const RATE: u32 = 1_000;
/// The fraction of responses that the filter examines at that rate.
pub const LOOKED_AT: f64 = (LOOKS_PER_SECOND * BACKENDS * WORKERS) as f64 / RATE as f64;

/// The instructions of passive detection at [`RATE`]. Callgrind slows Envoy down too much to serve requests at this
/// rate. So the figure is combined from a request whose response is examined and one whose response is not.
pub fn passive_at_rate(results: &Results) -> Option<f64> {
    let (none, all) = (results.cost(PINNED)?.median(), results.cost(PINNED_PASSIVE)?.median());
    Some(none + (all - none) * LOOKED_AT)
}

/// The name of that figure.
pub fn passive_at_rate_name() -> String {
    format!("{PINNED_PASSIVE}, {} requests/s", grouped(RATE.into()))
}

/// A promise and its figure.
pub struct Promise {
    /// The subject of the promise.
    pub what: String,
    /// The highest allowed figure.
    pub most: f64,
    /// The figure. NaN if the measurement failed.
    pub is: f64,
    /// The unit of both figures.
    pub unit: &'static str,
    /// The number of decimal places.
    pub digits: usize,
}

impl Promise {
    /// Whether the promise is kept. A promise without a measurement is not.
    pub fn holds(&self) -> bool {
        self.is <= self.most
    }

    /// A figure with its unit.
    pub fn show(&self, figure: f64) -> String {
        if figure.is_nan() {
            "not measured".to_owned()
        } else {
            format!("{figure:.*}{}", self.digits, self.unit)
        }
    }
}

/// All promises about the results.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub fn all(results: &Results) -> Vec<Promise> {
    let promise =
        |what: &str, most, is, unit, digits| Promise { what: what.to_owned(), most, is, unit, digits };
    let ratio = |instructions| results.ratio(instructions).unwrap_or(f64::NAN);
    let mut promises = Vec::new();
    for cost in &results.costs {
        promises.extend(cost.bound.map(|most| promise(&cost.name, most, ratio(cost.median()), "×", 3)));
    }
    if let Some(passive) = passive_at_rate(results) {
        promises.push(promise(&passive_at_rate_name(), 1.17, ratio(passive), "×", 3));
    }
    for (dimension, name) in [(Dimension::Backends, "backends"), (Dimension::Services, "services")] {
        if let Some((point, growth)) = scale::growth(&results.scale, dimension).last() {
            let what = format!("{} {name}, over 2", grouped(point.amount.into()));
            promises.push(promise(&what, 3.0, *growth, " %", 1));
        }
    }
    promises.push(promise("size of the module", 320.0, results.module_bytes as f64 / 1024.0, " KiB", 0));
    let ours = results.starts.iter().find(|start| start.name.starts_with("this filter"));
    promises.extend(
        ours.map(|start| promise("start of Envoy to its first answer", 0.45, start.first_answer, " s", 2)),
    );
    promises
}
