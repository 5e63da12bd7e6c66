//! Where and with what the figures came about.

use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::shell;

/// The processor, the memory, the kernel, the tools and the commit, in one sentence each.
pub fn describe() -> Result<String> {
    let envoy = harness::envoy_binary::version_of(&harness::envoy_binary::locate()?)?;
    Ok(format!("{}. Envoy {envoy}; {}. Commit {}.", machine(), tools(), commit()))
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next());
    let gigabytes = kilobytes.and_then(|count| count.parse::<u64>().ok()).unwrap_or(0).div_ceil(1 << 20);
    let kernel = said("uname", &["-sr"]);
    format!(
        "{}, {} cores, {gigabytes} GiB, {kernel}",
        model.unwrap_or("unknown processor"),
        std::thread::available_parallelism().map_or(1, usize::from)
    )
}

fn tools() -> String {
    format!("{}, {}", said("valgrind", &["--version"]), said("h2load", &["--version"]))
}

/// Its hash, and whether there is more than was committed, results aside.
fn commit() -> String {
    let mut hash = said("git", &["rev-parse", "--short=10", "HEAD"]);
    if !said("git", &["status", "--porcelain", "--untracked-files=no", "--", ":!bench"]).is_empty() {
        hash.push_str(" with changes");
    }
    hash
}

fn said(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(harness::workspace_root());
    shell::run_quietly(&mut command).unwrap_or_else(|_| format!("no {program}"))
}
