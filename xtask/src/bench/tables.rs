//! The results as Markdown tables.

use std::collections::BTreeMap;

use super::bounds;
use super::crossings::Crossings;
use super::load::{Loads, Turn};
use super::results::Results;
use super::scale::{Dimension, Point, SERIES};
use super::subjects::{NO_FILTER, PINNED};

const MIB: f64 = 1024.0 * 1024.0;

/// Cells that are longer are not waited for.
const WIDEST: usize = 56;

/// A table: its head and its rows. The first column is text, the others are figures. Its columns stand below each
/// other in a terminal too.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let width = |column: usize| {
        let cells = std::iter::once(&head).chain(rows).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).filter(|width| *width <= WIDEST).max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "))
    };
    let rule = widths.iter().enumerate().map(|(column, width)| {
        if column == 0 { "-".repeat(*width) } else { format!("{}:", "-".repeat(width - 1)) }
    });
    if rows.is_empty() {
        return String::new();
    }
    let mut text = [line(&head), line(&rule.collect::<Vec<_>>())].concat();
    text.extend(rows.iter().map(|row| line(row)));
    text
}

/// A number with commas.
pub fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < -0.5 { format!("-{text}") } else { text }
}

/// What there is more than of something else.
fn over(difference: f64) -> String {
    if difference.abs() < 0.5 {
        String::new()
    } else {
        format!("{}{}", if difference > 0.0 { "+" } else { "" }, grouped(difference))
    }
}

/// What was promised.
pub fn promises(results: &Results) -> String {
    let rows: Vec<_> = bounds::all(results)
        .iter()
        .map(|bound| {
            let holds = if bound.holds() { "yes" } else { "**no**" };
            vec![bound.what.clone(), bound.show(bound.most), bound.show(bound.is), holds.to_owned()]
        })
        .collect();
    table(&["", "at most", "measured", "holds"], &rows)
}

/// Instructions per request.
pub fn costs(results: &Results) -> String {
    let none = results.cost(NO_FILTER).map_or(f64::NAN, super::instructions::Cost::median);
    let ratio =
        |instructions| results.ratio(instructions).map_or_else(String::new, |ratio| format!("{ratio:.3}×"));
    let mut rows: Vec<_> = results
        .costs
        .iter()
        .map(|cost| {
            let median = cost.median();
            vec![
                cost.name.clone(),
                grouped(median),
                over(median - none),
                ratio(median),
                format!("{:.2} %", cost.spread()),
                grouped(cost.idle),
            ]
        })
        .collect();
    if let (Some(instructions), Some(share)) = (results.passive_under_load(), results.looked_at()) {
        let name = format!("{} ¹", super::crossings::busy_name());
        rows.push(vec![
            name,
            grouped(instructions),
            over(instructions - none),
            ratio(instructions),
            format!("{:.0} % looked at", share * 100.0),
            String::new(),
        ]);
    }
    table(
        &["", "instructions", "over no filter", "against stateful_session", "spread", "timers, in a second"],
        &rows,
    )
}

/// Calls between Envoy and the filter.
pub fn crossings(all: &[Crossings]) -> String {
    let listed = |counts: &BTreeMap<String, f64>| {
        let one = |(name, count): (&String, &f64)| {
            if (count - 1.0).abs() < 0.005 { name.clone() } else { format!("{} × {name}", short(*count)) }
        };
        let names: Vec<_> = counts.iter().map(one).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let rows: Vec<_> = all
        .iter()
        .map(|crossings| {
            let (calls, callbacks) = (short(crossings.calls()), short(crossings.callbacks()));
            vec![
                crossings.name.clone(),
                calls,
                listed(&crossings.to_host),
                callbacks,
                listed(&crossings.to_filter),
            ]
        })
        .collect();
    table(&["", "host calls", "which", "callbacks", "which"], &rows)
}

/// A count per request, without digits that say nothing.
fn short(count: f64) -> String {
    let text = format!("{count:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// CPU time and latency.
pub fn load(loads: &Loads) -> String {
    let rows: Vec<_> = loads
        .subjects
        .iter()
        .map(|subject| {
            let mut row = vec![subject.name.clone(), grouped(subject.saturation)];
            let figures: [fn(&Turn) -> f64; 3] =
                [|turn| turn.cpu, |turn| turn.answers.p50, |turn| turn.answers.p99];
            for figure in figures {
                row.push(format!("{:.1}", subject.median(figure)));
                let ratio = loads.reference().map(|reference| subject.ratio(reference, figure));
                row.push(ratio.map_or_else(String::new, |ratio| {
                    format!("{:.2}× ({:.2}–{:.2})", ratio.median, ratio.low, ratio.high)
                }));
            }
            row
        })
        .collect();
    table(&["", "saturation, req/s", "CPU µs", "ratio", "p50 µs", "ratio", "p99 µs", "ratio"], &rows)
}

/// Instructions with more backends, or services.
pub fn flat(results: &Results, dimension: Dimension) -> String {
    let points = results.series(dimension, PINNED);
    let first = points.first().map_or(f64::NAN, |point| point.cost.median());
    let rows: Vec<_> = points
        .iter()
        .map(|point| {
            let more = (point.cost.median() / first - 1.0) * 100.0;
            vec![grouped(point.amount.into()), grouped(point.cost.median()), format!("{more:+.1} %")]
        })
        .collect();
    let name = if dimension == Dimension::Backends { "backends" } else { "services" };
    table(&[name, "instructions", "against the first"], &rows)
}

/// Instructions with more cookies.
pub fn cookies(results: &Results) -> String {
    let all = [SERIES[0], SERIES[1], PINNED].map(|series| results.series(Dimension::Cookies, series));
    let [none, native, ours] = &all;
    let rows: Vec<_> = none
        .iter()
        .enumerate()
        .map(|(index, point)| {
            let of = |series: &[&Point]| {
                series.get(index).map_or_else(String::new, |point| grouped(point.cost.median()))
            };
            let over = ours.get(index).map_or(f64::NAN, |ours| ours.cost.median() - point.cost.median());
            let bytes = grouped(point.amount.into());
            vec![bytes, grouped(point.cost.median()), of(native), of(ours), grouped(over)]
        })
        .collect();
    table(
        &["bytes before ours", "no filter", "stateful_session", "ours, pinned", "ours over no filter"],
        &rows,
    )
}

/// Time to load.
pub fn starts(results: &Results) -> String {
    let rows: Vec<_> = results
        .starts
        .iter()
        .map(|start| {
            let total = start.load + start.configure;
            let seconds = |seconds: f64| format!("{seconds:.3}");
            let backends = grouped(start.backends.into());
            vec![backends, seconds(start.load), seconds(start.configure), seconds(total), seconds(start.cpu)]
        })
        .collect();
    table(&["backends", "load, s", "configure, s", "both, s", "CPU s, over a no-op filter"], &rows)
}

/// Memory after aborted streams.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub fn leaks(results: &Results) -> String {
    let mib = |bytes: u64| format!("{:.2}", bytes as f64 / MIB);
    let rows: Vec<_> = results
        .leaks
        .iter()
        .map(|moment| {
            let linear: Vec<_> = moment.linear.iter().map(|bytes| (bytes / 1024).to_string()).collect();
            vec![
                grouped(moment.requests.into()),
                grouped(moment.aborted as f64),
                linear.join(" + "),
                mib(moment.allocated),
                mib(moment.resident),
            ]
        })
        .collect();
    let head = ["requests", "aborted", "linear memory of the VMs, KiB", "Envoy's heap, MiB", "resident, MiB"];
    table(&head, &rows)
}

/// A fleet.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub fn churn(results: &Results) -> String {
    let rows: Vec<_> = results
        .churn
        .iter()
        .map(|churn| {
            let per_cent = |count: u64| format!("{:.3} %", count as f64 / churn.sessions as f64 * 100.0);
            vec![
                format!("{}: {}", churn.affinity, churn.event),
                grouped(churn.envoys as f64),
                churn.disagreements.to_string(),
                per_cent(churn.moved),
                per_cent(churn.had_to),
                format!("{:.2}×", churn.fullest),
            ]
        })
        .collect();
    table(&["1,000 backends, then", "Envoys", "disagree", "moved", "had to", "fullest backend"], &rows)
}
