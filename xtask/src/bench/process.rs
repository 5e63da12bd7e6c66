//! What the system knows of an Envoy process.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Time on a core, of all threads, to the nanosecond (user and system).
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let file = task?.path().join("schedstat");
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let nanoseconds = text.split_whitespace().next().unwrap_or_default();
        sum += Duration::from_nanos(nanoseconds.parse().context("a schedstat without a number")?);
    }
    Ok(sum)
}

/// Bytes of memory in use (resident).
pub fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes = line.split_whitespace().next().unwrap_or_default();
    Ok(kilobytes.parse::<u64>()? * 1024)
}

/// Bytes of the linear memory of each Wasm VM, the largest first.
///
/// V8 reserves gigabytes behind each, so that no address of the module's can reach anything else.
pub fn linear_memories(pid: u32) -> Result<Vec<u64>> {
    const GUARD: u64 = 4 << 30;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let mut found = Vec::new();
    let mut before = None;
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let (start, end) = range.split_once('-').context("a mapping without a range")?;
        let (start, end) = (u64::from_str_radix(start, 16)?, u64::from_str_radix(end, 16)?);
        if let Some((memory_start, memory_end)) = before
            && rights.starts_with("---")
            && end - start > GUARD
            && memory_end == start
        {
            found.push(memory_end - memory_start);
        }
        before = rights.starts_with("rw-").then_some((start, end));
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}
