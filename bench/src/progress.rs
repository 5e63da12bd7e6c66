//! The progress of a long measurement.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on a terminal, or a line for each step elsewhere.
pub struct Bar {
    bar: ProgressBar,
    name: &'static str,
}

impl Bar {
    /// A bar for this many steps of the measurement `name`.
    pub fn start(name: &'static str, steps: usize) -> Self {
        let bar = ProgressBar::new(u64::try_from(steps).unwrap_or(u64::MAX));
        if bar.is_hidden() {
            eprintln!("{name} ...");
        }
        let template = "{prefix:16} {wide_bar:.blue/238} {pos:>3}/{len} {elapsed:>4}  {msg:44!}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(name);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, name }
    }

    /// Ends a step. `outcome` is its figure, or the reason why there is none.
    pub fn done(&self, step: &str, outcome: &str) {
        self.bar.inc(1);
        self.bar.set_message(step.to_owned());
        if self.bar.is_hidden() {
            eprintln!("  {step}: {outcome}");
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        let hidden = self.bar.is_hidden();
        let (steps, time) = (self.bar.position(), self.bar.elapsed().as_secs_f64());
        self.bar.finish_and_clear();
        if !hidden {
            eprintln!("✔ {}: {steps} measurements ({time:.0} s)", self.name);
        }
    }
}
