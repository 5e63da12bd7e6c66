//! The plots.

mod bars;
mod lines;

use std::path::Path;

use anyhow::Result;
use plotters::style::RGBColor;

use super::instructions::Cost;
use super::load::{Turn, UnderLoad};
use super::results::Results;
use super::scale::{Dimension, SERIES};
use super::subjects::{Kind, NO_FILTER, PINNED, REFERENCE};
use bars::{Bar, Bars};
use lines::{Line, Panel};

const INK: RGBColor = RGBColor(31, 41, 55);
const FAINT: RGBColor = RGBColor(107, 114, 128);
const GRID: RGBColor = RGBColor(229, 231, 235);
const GREY: RGBColor = RGBColor(156, 163, 175);
const ORANGE: RGBColor = RGBColor(217, 119, 6);
const BLUE: RGBColor = RGBColor(37, 99, 235);
const RED: RGBColor = RGBColor(220, 38, 38);

const fn colour(kind: Kind) -> RGBColor {
    match kind {
        Kind::Envoy => GREY,
        Kind::Other => ORANGE,
        Kind::Ours => BLUE,
    }
}

/// Draws what was measured.
pub fn draw(results: &Results, directory: &Path) -> Result<()> {
    if !results.costs.is_empty() {
        costs(results, &directory.join("cost.svg"))?;
    }
    if !results.scale.is_empty() {
        scale(results, &directory.join("scale.svg"))?;
    }
    if results.load.is_some() {
        latency(results, &directory.join("latency.svg"))?;
    }
    if !results.leaks.is_empty() {
        leaks(results, &directory.join("leaks.svg"))?;
    }
    Ok(())
}

/// A bar for each subject.
fn costs(results: &Results, path: &Path) -> Result<()> {
    let reference = results.cost(REFERENCE).map(Cost::median);
    let bars = results.costs.iter().map(|cost| {
        let ratio = results.ratio(cost.median());
        Bar {
            name: cost.name.clone(),
            length: cost.median() / 1000.0,
            beyond: None,
            colour: colour(cost.kind),
            most: reference.zip(cost.bound).map(|(reference, bound)| reference * bound / 1000.0),
            figures: vec![
                format!("{:.0}", cost.median() / 1000.0),
                ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}×")),
            ],
        }
    });
    Bars {
        title: "Instructions of the whole Envoy for one request, thousands",
        subtitle: "grey: Envoy itself; orange: other ways to extend it; blue: this filter, with a tick at the most \
                   that was promised",
        rows: bars.collect(),
        mark: reference.map(|reference| (reference / 1000.0, "stateful_session = 1×")),
    }
    .draw(path)
}

/// A pair of bars for each subject, p50 and p99.
fn latency(results: &Results, path: &Path) -> Result<()> {
    let Some(loads) = &results.load else { return Ok(()) };
    let milliseconds = |subject: &UnderLoad, figure: fn(&Turn) -> f64| subject.median(figure) / 1000.0;
    let bars = loads.subjects.iter().map(|subject| {
        let p50 = milliseconds(subject, |turn| turn.answers.p50);
        let p99 = milliseconds(subject, |turn| turn.answers.p99);
        Bar {
            name: subject.name.clone(),
            length: p50,
            beyond: Some(p99),
            colour: colour(subject.kind),
            most: None,
            figures: vec![format!("{p50:.2}"), format!("{p99:.2}")],
        }
    });
    let subtitle = format!("milliseconds, p50 (full) and p99 (pale), at {} requests a second", loads.rate);
    Bars { title: "Latency under load", subtitle: &subtitle, rows: bars.collect(), mark: None }.draw(path)
}

/// Instructions over backends, services and bytes of cookies.
fn scale(results: &Results, path: &Path) -> Result<()> {
    let line = |dimension, series: &str, name: &'static str, colour| Line {
        name,
        colour,
        points: results
            .series(dimension, series)
            .iter()
            .map(|point| (f64::from(point.amount), point.cost.median() / 1000.0))
            .collect(),
    };
    let flat = |dimension, title| Panel {
        title,
        tenfold: true,
        lines: vec![line(dimension, PINNED, "pinned", BLUE)],
    };
    let cookies = vec![
        line(Dimension::Cookies, NO_FILTER, "no filter", GREY),
        line(Dimension::Cookies, SERIES[1], "stateful_session", FAINT),
        line(Dimension::Cookies, PINNED, "pinned", BLUE),
    ];
    let panels = [
        flat(Dimension::Backends, "backends"),
        flat(Dimension::Services, "services"),
        Panel { title: "bytes of cookies before ours", tenfold: false, lines: cookies },
    ];
    let panels: Vec<_> =
        panels.into_iter().filter(|panel| panel.lines.iter().any(|line| line.points.len() > 1)).collect();
    if panels.is_empty() {
        return Ok(());
    }
    lines::draw("Instructions for one request, thousands", &panels, path)
}

/// Memory over requests.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn leaks(results: &Results, path: &Path) -> Result<()> {
    let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
    let points = |figure: &dyn Fn(&super::leaks::Moment) -> f64| {
        results.leaks.iter().map(|moment| (f64::from(moment.requests), figure(moment))).collect()
    };
    let sum = |moment: &super::leaks::Moment| mib(moment.linear.iter().sum());
    let vms = Line { name: "linear memory of all VMs", colour: BLUE, points: points(&sum) };
    let heap = Line { name: "Envoy's heap", colour: GREY, points: points(&|moment| mib(moment.allocated)) };
    let panel = Panel { title: "requests", tenfold: false, lines: vec![heap, vms] };
    lines::draw("Memory in MiB while a third of all requests is aborted", &[panel], path)
}
