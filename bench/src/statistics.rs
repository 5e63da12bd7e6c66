//! Statistics of a few figures.

/// The median, and the range of the middle half of the figures. NaN if there are no figures.
#[derive(Clone, Copy, Debug)]
pub struct Quartiles {
    /// A quarter of the figures is below this value.
    pub low: f64,
    /// Half of the figures is below this value.
    pub median: f64,
    /// A quarter of the figures is above this value.
    pub high: f64,
}

impl Quartiles {
    /// The statistics of these figures.
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
