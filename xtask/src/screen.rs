//! What the demo prints, and whether it all held.

use std::cell::Cell;
use std::collections::BTreeMap;

use anyhow::{Result, bail};
use console::{Color, style};

/// The colours of the pods, in the order of their numbers; the page uses the same.
const COLORS: [Color; 3] = [Color::Cyan, Color::Yellow, Color::Magenta];

/// Numbers the steps and remembers whether one did not hold.
#[derive(Default)]
pub struct Screen {
    steps: Cell<u32>,
    broken: Cell<u32>,
}

impl Screen {
    /// A step's title.
    pub fn step(&self, title: &str) {
        self.steps.set(self.steps.get() + 1);
        println!("\n{} {}", style(format!("{}.", self.steps.get())).bold(), style(title).bold());
    }

    /// Whether that is what affinity promises.
    pub fn check(&self, holds: bool, promise: &str) {
        if holds {
            println!("   {} {promise}", style("✔").green().bold());
        } else {
            self.broken.set(self.broken.get() + 1);
            println!("   {} {promise}: {}", style("✘").red().bold(), style("it did not").red().bold());
        }
    }

    /// The last line: an error where anything did not hold.
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

/// What was done to see it.
pub fn detail(text: &str) {
    println!("     {}", style(text).dim());
}

/// One line of what came: who asked, and which pods answered how often.
pub fn answers(who: &str, pods: &Tally) {
    let counts = pods.0.iter().map(|(pod, count)| {
        let text = format!("{pod} × {count:<3}");
        style(text).fg(color(pod)).to_string()
    });
    println!("     {who:<24} {}", counts.collect::<Vec<_>>().join("  "));
}

/// How many requests each pod answered.
#[derive(Default)]
pub struct Tally(BTreeMap<String, u32>);

impl Tally {
    /// One more answer of this pod's.
    pub fn add(&mut self, pod: &str) {
        *self.0.entry(pod.to_owned()).or_default() += 1;
    }

    /// How many different pods answered.
    pub fn pods(&self) -> usize {
        self.0.len()
    }

    /// Whether this pod alone answered.
    pub fn is_only(&self, pod: &str) -> bool {
        self.pods() == 1 && self.0.contains_key(pod)
    }
}

fn color(pod: &str) -> Color {
    let number = pod.bytes().last().unwrap_or(b'0').wrapping_sub(b'0');
    COLORS.get(usize::from(number)).copied().unwrap_or(Color::White)
}
