//! The result: a table in the terminal and in `bench/results.md`, a plot beside it.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};
use plotters::prelude::*;

use super::Cost;

/// Prints the table and writes both files.
pub fn write(costs: &[Cost]) -> Result<()> {
    let directory = harness::workspace_root().join("bench");
    fs::create_dir_all(&directory)?;
    let table = table(costs)?;
    println!("{table}");
    let module = fs::metadata(harness::module_path()?)?.len().div_ceil(1024);
    let text = format!(
        "# What a request costs\n\n\
         Instructions of the whole Envoy for one request, counted by valgrind's callgrind: a GET over one \
         connection that is kept alive, with three cookies beside the session's, to one of three pods. Envoy {}, one \
         worker; commit {}; {}. The module has {module} KiB. Repeat it with `cargo xtask bench`.\n\n\
         {table}\n![Instructions per request](cost.svg)\n",
        harness::envoy_binary::VERSION,
        output("git", &["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".to_owned()),
        machine(),
    );
    fs::write(directory.join("results.md"), text)?;
    plot(costs, &directory.join("cost.svg"))?;
    eprintln!("bench/results.md, bench/cost.svg");
    Ok(())
}

/// Prints the table alone.
pub fn print(costs: &[Cost]) -> Result<()> {
    println!("{}", table(costs)?);
    Ok(())
}

fn table(costs: &[Cost]) -> Result<String> {
    let (none, native) = (costs.first().context("a baseline")?, costs.get(1).context("a comparison")?);
    let mut table = String::from(
        "| | instructions | over no filter | against stateful_session | spread |\n| --- | ---: | ---: | ---: | ---: |\n",
    );
    for cost in costs {
        writeln!(
            table,
            "| {} | {:.0} | {:+.0} | {:.3}× | {:.2} % |",
            cost.name,
            cost.median(),
            cost.median() - none.median(),
            cost.median() / native.median(),
            cost.spread(),
        )?;
    }
    Ok(table)
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    format!(
        "{}, {} cores",
        model.unwrap_or("unknown processor"),
        std::thread::available_parallelism().map_or(1, usize::from)
    )
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A bar for each subject.
#[expect(clippy::cast_precision_loss, reason = "a handful of bars")]
fn plot(costs: &[Cost], path: &std::path::Path) -> Result<()> {
    let count = costs.len();
    let most = costs.iter().map(Cost::median).fold(0.0, f64::max);
    let root = SVGBackend::new(path, (900, 60 + 34 * u32::try_from(count)?)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("Instructions per request, whole Envoy", ("sans-serif", 18))
        .margin(10)
        .build_cartesian_2d(0.0..most * 1.15, 0.0..count as f64)?;
    for (index, cost) in costs.iter().enumerate() {
        let bottom = (count - index - 1) as f64;
        let colour = if index < 4 { RGBColor(160, 170, 180) } else { RGBColor(60, 120, 216) };
        chart.draw_series([Rectangle::new(
            [(0.0, bottom + 0.1), (cost.median(), bottom + 0.9)],
            colour.filled(),
        )])?;
        let label = format!("{}: {:.0}", cost.name, cost.median());
        chart.draw_series([Text::new(
            label,
            (most * 0.01, bottom + 0.65),
            ("sans-serif", 14).into_font().color(&BLACK),
        )])?;
    }
    root.present()?;
    Ok(())
}
