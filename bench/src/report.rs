//! The results as Markdown tables, on the terminal and in `results.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::faults::Outcome;
use crate::instructions::Cost;
use crate::load::Turn;
use crate::promises::{self, LOOKED_AT, LOOKS_PER_SECOND, RATE};
use crate::scale::{self, Dimension};
use crate::subjects::{NO_FILTER, REFERENCE};
use crate::{Results, plot, start};

/// A title, a description of the measurement, and tables. The tables are empty if nothing was measured.
struct Section {
    title: &'static str,
    words: String,
    tables: String,
}

/// Prints the tables.
pub fn print(results: &Results) {
    let mut sections = sections(results);
    // The promises are printed last, so that they are visible.
    sections.rotate_left(1);
    for Section { title, tables, .. } in sections.iter().filter(|section| !section.tables.is_empty()) {
        println!("{}\n\n{tables}", console::style(title).bold());
    }
}

/// Writes `results.md` and its plot into a directory.
pub fn write(results: &Results, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))?;
    if !results.costs.is_empty() {
        let file = directory.join("cost.svg");
        fs::write(&file, plot::costs(results)).with_context(|| format!("writing {}", file.display()))?;
    }
    let mut text = format!(
        "# What a request costs\n\nMade by `cargo xtask bench`. {}\n\n\
         \"Pinned\" is a request of an existing session, `GENERATED_COOKIE`. Every request is a GET over a connection \
         that is kept\nalive, with three cookies beside the session's, to one of three backends.\n",
        machine()?
    );
    for Section { title, words, tables } in
        sections(results).iter().filter(|section| !section.tables.is_empty())
    {
        write!(text, "\n## {title}\n\n{words}\n\n{tables}")?;
    }
    let file = directory.join("results.md");
    fs::write(&file, text).with_context(|| format!("writing {}", file.display()))
}

fn sections(results: &Results) -> Vec<Section> {
    vec![
        Section {
            title: "What was promised",
            words: format!("A multiple (×) is one of `{REFERENCE}`."),
            tables: promises(results),
        },
        Section {
            title: "Instructions",
            words: format!(
                "Instructions of the whole Envoy for one request, counted by valgrind's callgrind. They are the same \
                 whatever else the\nmachine does. The figure is the median of fresh processes; the spread reaches from \
                 the lowest to the highest. What Envoy's\ntimers need without requests is in a column of its own, and \
                 not in the other figures.\n\n¹ Computed: a worker looks at {LOOKS_PER_SECOND} responses of a backend \
                 per second, which is {:.0} % of {} requests.\nThe two figures above are for no response and for every \
                 response.\n\n![Instructions per request](cost.svg)",
                LOOKED_AT * 100.0,
                grouped(RATE.into())
            ),
            tables: instructions(results),
        },
        Section {
            title: "More backends and services",
            words: "Instructions of a pinned request with keys, detection off. With a second service, the filter asks \
                    Envoy for the\nroute's name."
                .to_owned(),
            tables: [(Dimension::Backends, "backends"), (Dimension::Services, "services")]
                .map(|(dimension, name)| growth(results, dimension, name))
                .join("\n")
                .trim_start()
                .to_owned(),
        },
        Section {
            title: "Under load",
            words: format!(
                "h2load with 32 connections and {} requests per second, 70 % of what the slowest subject can take with \
                 one worker.\nThe subjects take turns. The figures are medians over the turns. A ratio is one to \
                 `{REFERENCE}` in\nthe same round, with the range of its middle half. CPU time is that of the whole \
                 Envoy process.",
                grouped(results.load.as_ref().map_or(0.0, |loads| loads.rate.into()))
            ),
            tables: load(results),
        },
        Section {
            title: "Start and memory",
            words: "Time from the start of the Envoy process to its first answer: the lowest of several starts. \
                    Memory is what one more\nworker adds to the resident memory of Envoy."
                .to_owned(),
            tables: [starts(results), memory(results)].join("\n").trim().to_owned() + "\n",
        },
        Section {
            title: "Faults",
            words: "120 clients, each with a session of its own and one GET after another, over four backends, of which \
                    one fails.\n`stateful_session` is set up as Envoy's documentation has it: with health checks each \
                    second, outlier detection, retries\non another host and a `per_try_timeout` of 5 s. A GET is lost \
                    where no 200 comes while its client waits. \"Met\" is when\nthe last GET was sent that was lost or \
                    took longer than half a second, from the beginning of the fault."
                .to_owned(),
            tables: faults(results),
        },
    ]
}

fn faults(results: &Results) -> String {
    let row = |outcome: &Outcome| {
        let met = outcome.last_met.map_or("-".to_owned(), |met| format!("{:.1} s", met.as_secs_f64()));
        vec![
            outcome.fault.clone(),
            outcome.setup.clone(),
            outcome.gets.to_string(),
            outcome.lost.to_string(),
            outcome.moved.to_string(),
            met,
            format!("{:.1} s", outcome.longest.as_secs_f64()),
        ]
    };
    let header = ["a backend is", "", "GETs", "lost", "moves", "met", "longest wait"];
    table(&header, results.faults.iter().map(row).collect())
}

fn promises(results: &Results) -> String {
    let rows = promises::all(results).into_iter().map(|promise| {
        let holds = if promise.holds() { "yes" } else { "**no**" };
        let (most, is) = (promise.show(promise.most), promise.show(promise.is));
        vec![promise.what, most, is, holds.to_owned()]
    });
    table(&["", "at most", "measured", "holds"], rows.collect())
}

fn instructions(results: &Results) -> String {
    let none = results.cost(NO_FILTER).map_or(f64::NAN, Cost::median);
    let row = |name: String, instructions: f64, spread: String, idle: String| {
        let ratio = results.ratio(instructions).unwrap_or(f64::NAN);
        let over = format!("{}{}", if instructions > none { "+" } else { "" }, grouped(instructions - none));
        vec![name, grouped(instructions), over, format!("{ratio:.3}×"), spread, idle]
    };
    let mut rows: Vec<_> = results
        .costs
        .iter()
        .filter(|cost| !cost.runs.is_empty())
        .map(|cost| {
            row(cost.name.clone(), cost.median(), format!("{:.2} %", cost.spread()), grouped(cost.idle))
        })
        .collect();
    if let Some(passive) = promises::passive_at_rate(results) {
        rows.push(row(
            format!("{} ¹", promises::passive_at_rate_name()),
            passive,
            String::new(),
            String::new(),
        ));
    }
    table(&["", "instructions", "over no filter", "ratio", "spread", "timers, per second"], rows)
}

fn growth(results: &Results, dimension: Dimension, name: &str) -> String {
    let rows = scale::growth(&results.scale, dimension).into_iter().map(|(point, growth)| {
        let growth = if growth.abs() < 0.05 { 0.0 } else { growth };
        vec![grouped(point.amount.into()), grouped(point.cost.median()), format!("{growth:+.1} %")]
    });
    table(&[name, "instructions", "over 2"], rows.collect())
}

fn load(results: &Results) -> String {
    let Some(loads) = &results.load else { return String::new() };
    let figures: [fn(&Turn) -> f64; 3] = [|turn| turn.cpu, |turn| turn.p50, |turn| turn.p99];
    let rows = loads.subjects.iter().map(|subject| {
        let mut row = vec![subject.name.clone(), grouped(subject.saturation)];
        for figure in figures {
            row.push(format!("{:.1}", subject.quartiles(figure).median));
            let ratio = loads.reference().map(|reference| subject.ratio(reference, figure));
            row.push(ratio.map_or_else(String::new, |ratio| {
                format!("{:.2}× ({:.2}–{:.2})", ratio.median, ratio.low, ratio.high)
            }));
        }
        row
    });
    table(&["", "saturation, req/s", "CPU µs", "ratio", "p50 µs", "ratio", "p99 µs", "ratio"], rows.collect())
}

fn starts(results: &Results) -> String {
    let rows = results.starts.iter().map(|start| {
        vec![start.name.clone(), format!("{:.3}", start.first_answer), format!("{:.3}", start.cpu)]
    });
    table(&["", "first answer, s", "CPU, s"], rows.collect())
}

fn memory(results: &Results) -> String {
    let rows = results.memory.map(|memory| {
        let mib = |bytes: f64| format!("{:.2}", bytes / 1_048_576.0);
        vec![
            format!("{} backends", start::BACKENDS),
            mib(memory.noop),
            mib(memory.ours),
            mib(memory.ours - memory.noop),
        ]
    });
    table(
        &["memory of a worker, MiB", "no-op Wasm filter", "this filter", "difference"],
        Vec::from_iter(rows),
    )
}

/// A table of these rows; empty without rows. The first column is text, the others are figures.
fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head = head.iter().map(|&cell| cell.to_owned()).collect();
    let lines = [vec![head], rows].concat();
    let width = |column: usize| {
        lines
            .iter()
            .filter_map(|line| line.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
            .max(3)
    };
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let rule = widths.iter().enumerate().map(|(column, width)| match column {
        0 => "-".repeat(*width),
        _ => format!("{}:", "-".repeat(width - 1)),
    });
    let text_of = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let padded = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        text_of(cells.collect())
    };
    let body: String = lines[1..].iter().map(padded).collect();
    padded(&lines[0]) + &text_of(rule.collect()) + &body
}

/// A whole number with commas.
pub fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = if number < -0.5 { "-".to_owned() } else { String::new() };
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The processor, the memory, the kernel, the tools and the commit.
fn machine() -> Result<String> {
    let envoy = harness::envoy_binary::version_of(&harness::envoy_binary::locate()?)?;
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next());
    let gibibytes = kibibytes.and_then(|count| count.parse::<u64>().ok()).unwrap_or(0).div_ceil(1 << 20);
    // Earlier results do not count as changes.
    let changed =
        !output("git", &["status", "--porcelain", "--untracked-files=no", "--", ":!bench/*.*"]).is_empty();
    Ok(format!(
        "{}, {} cores, {gibibytes} GiB, {}.\nEnvoy {envoy}; {}; {}. Commit {}{}.",
        model.unwrap_or("Unknown processor"),
        std::thread::available_parallelism().map_or(1, usize::from),
        output("uname", &["-sr"]),
        output("valgrind", &["--version"]),
        output("h2load", &["--version"]),
        output("git", &["rev-parse", "--short=10", "HEAD"]),
        if changed { " with changes" } else { "" },
    ))
}

/// The output of a program.
fn output(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(harness::workspace_root()).stdin(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success());
    output.map_or_else(
        || format!("no {program}"),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
