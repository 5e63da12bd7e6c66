//! Where results go: the terminal, and a Markdown file with its plots.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::load::Loads;
use super::results::Results;
use super::scale::Dimension;
use super::{leaks, machine, memory, plots, tables};

/// Prints the tables.
pub fn print(results: &Results) {
    let mut sections = sections(results);
    // What was promised comes last, where it is seen.
    sections.rotate_left(1);
    for (title, _, body) in sections {
        if !body.trim().is_empty() {
            println!("{}\n\n{body}", console::style(title).bold());
        }
    }
}

/// Writes `results.md` and its plots into a directory.
pub fn write(results: &Results, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))?;
    plots::draw(results, directory)?;
    let file = directory.join("results.md");
    fs::write(&file, text(results)?).with_context(|| format!("writing {}", file.display()))?;
    Ok(())
}

fn text(results: &Results) -> Result<String> {
    let mut text = format!(
        "# What a request costs\n\nMade by `cargo xtask bench`. {}\n\n\
         \"Pinned\" is a request of a session that exists, `GENERATED_COOKIE`. Every request is a GET over a \
         connection that is\nkept alive, with three cookies beside the session's, to one of three backends.\n\n",
        machine::describe()?
    );
    for (title, words, body) in sections(results) {
        if !body.trim().is_empty() {
            write!(text, "## {title}\n\n{words}\n\n{body}\n")?;
        }
    }
    Ok(text)
}

/// Their titles, what was done, and the tables; those are empty where nothing was measured.
fn sections(results: &Results) -> Vec<(&'static str, String, String)> {
    let loads = results.load.as_ref();
    vec![
        (
            "What was promised",
            "Against `stateful_session` where it is a multiple (×).".to_owned(),
            tables::promises(results),
        ),
        ("Instructions", INSTRUCTIONS.to_owned(), tables::costs(results)),
        ("Calls", CALLS.to_owned(), tables::crossings(&results.crossings)),
        (
            "More of everything",
            "Instructions of a pinned request with keys, detection off.\n\n![Scale](scale.svg)".to_owned(),
            [
                tables::flat(results, Dimension::Backends),
                tables::flat(results, Dimension::Services),
                tables::cookies(results),
            ]
            .join("\n"),
        ),
        (
            "Under load",
            loads.map_or_else(String::new, under_load),
            loads.map_or_else(String::new, tables::load),
        ),
        (
            "Size, start, memory",
            format!(
                "The module has {:.1} KiB. Loading it (V8 compiles) happens once for each Envoy, configuring once \
                 for each worker.\nThe fastest of several starts.",
                f64::from(u32::try_from(results.module).unwrap_or(u32::MAX)) / 1024.0
            ),
            [tables::starts(results), results.memory.map_or_else(String::new, |memory| memory_of(&memory))]
                .join("\n"),
        ),
        ("Aborted streams", format!("{}\n\n![Memory](leaks.svg)", leaks::WHAT), tables::leaks(results)),
        ("A fleet", FLEET.to_owned(), tables::churn(results)),
    ]
}

const INSTRUCTIONS: &str = "Of the whole Envoy for one request, counted by valgrind's callgrind, the same whatever \
    else the machine does. The\nmedian of fresh processes; the spread is from the least to the most. What Envoy does by \
    itself (timers) is counted apart\nand taken off. ¹ is made of the figures with none and with all responses looked \
    at, and of the share that the filter\nlooks at at that rate: callgrind slows Envoy down to light traffic.\n\n\
    ![Instructions per request](cost.svg)";

const CALLS: &str = "Between Envoy and the filter for one request, as Envoy logs them (`wasm:trace`). `malloc` is \
    Envoy's way to hand over\nbytes. What belongs to no request (ticks and probes) is left out.";

const FLEET: &str = "The filter's own decisions without any Envoy (`bench/simulation`). Each Envoy has the backends in \
    an order of its own;\neach session asks two of them.";

fn under_load(loads: &Loads) -> String {
    format!(
        "h2load, 32 connections, {} requests a second in all: 70 % of what the slowest of them can take with one \
         worker. The\nsubjects take turns. Medians over the turns; ratios are to `stateful_session` in the same round, \
         with the quarters\nbelow and above. CPU time is that of the whole Envoy process.\n\n![Latency](latency.svg)",
        tables::grouped(f64::from(loads.rate))
    )
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn memory_of(of: &memory::Memory) -> String {
    let mib = |bytes: f64| format!("{:.2}", bytes / 1_048_576.0);
    tables::table(
        &[
            "resident memory of one more worker, MiB",
            "no-op Wasm filter",
            "this filter",
            "difference",
            "its VM's linear memory",
        ],
        &[vec![
            format!("{} backends", tables::grouped(memory::BACKENDS.into())),
            mib(of.noop.median),
            mib(of.ours.median),
            mib(of.ours.median - of.noop.median),
            mib(of.linear as f64),
        ]],
    )
}
