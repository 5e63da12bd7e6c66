//! The output of the demo, and its result.

use std::cell::Cell;
use std::collections::BTreeMap;

use anyhow::{Result, bail};
use console::{Color, style};

/// The colours of the pods, in the order of their numbers. The demo's page has the same colours.
const COLORS: [Color; 3] = [Color::Cyan, Color::Yellow, Color::Magenta];

/// Numbers the steps, and counts promises that do not hold.
#[derive(Default)]
pub struct Screen {
    steps: Cell<u32>,
    broken: Cell<u32>,
}

impl Screen {
    /// Prints the title of a step.
    pub fn step(&self, title: &str) {
        self.steps.set(self.steps.get() + 1);
        println!("\n{} {}", style(format!("{}.", self.steps.get())).bold(), style(title).bold());
    }

    /// Prints a promise of session affinity, and whether it holds.
    pub fn check(&self, holds: bool, promise: &str) {
        if holds {
            println!("   {} {promise}", style("✔").green().bold());
        } else {
            self.broken.set(self.broken.get() + 1);
            println!("   {} {promise}: {}", style("✘").red().bold(), style("it did not").red().bold());
        }
    }

    /// Prints the last line. Returns an error if a promise did not hold.
    pub fn verdict(&self) -> Result<()> {
        match self.broken.get() {
            0 => {
                println!("\n{}", style(format!("All {} steps held.", self.steps.get())).green().bold());
                Ok(())
            }
            1 => bail!("one promise did not hold"),
            broken => bail!("{broken} promises did not hold"),
        }
    }
}

/// Prints how a step was done.
pub fn detail(text: &str) {
    println!("     {}", style(text).dim());
}

/// Prints who sent requests, and how many requests each pod answered.
pub fn answers(who: &str, pods: &Tally) {
    let counts = pods.0.iter().map(|(pod, count)| {
        let text = format!("{pod} × {count:<3}");
        style(text).fg(color(pod)).to_string()
    });
    println!("     {who:<24} {}", counts.collect::<Vec<_>>().join("  "));
}

/// The number of requests that each pod answered.
#[derive(Default)]
pub struct Tally(BTreeMap<String, u32>);

impl Tally {
    /// Adds a response of this pod.
    pub fn add(&mut self, pod: &str) {
        *self.0.entry(pod.to_owned()).or_default() += 1;
    }

    /// The number of different pods that answered.
    pub fn pods(&self) -> usize {
        self.0.len()
    }

    /// Whether only this pod answered.
    pub fn is_only(&self, pod: &str) -> bool {
        self.pods() == 1 && self.0.contains_key(pod)
    }
}

fn color(pod: &str) -> Color {
    let number = pod.bytes().last().unwrap_or(b'0').wrapping_sub(b'0');
    COLORS.get(usize::from(number)).copied().unwrap_or(Color::White)
}
