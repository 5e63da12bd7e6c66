//! The instrument: valgrind's callgrind counts the instructions of the whole Envoy, the same to about 0.1 % in
//! every run, however noisy the machine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use harness::envoy::{Envoy, Options};

/// An Envoy that runs under callgrind, with one worker.
pub struct Instrumented {
    envoy: Envoy,
    /// Where callgrind writes. Gone with this.
    directory: tempfile::TempDir,
}

impl Instrumented {
    /// Starts it. Counting is off.
    pub async fn start(config: &serde_json::Value) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let wrapper = wrapper(directory.path(), &harness::envoy_binary::locate()?)?;
        let options: Options = Envoy::options().binary(wrapper).concurrency(1).log_level("warning");
        let envoy = options.start(config).await.context("Envoy under callgrind")?;
        Ok(Self { envoy, directory })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        self.envoy.url()
    }

    /// Switches counting on.
    pub fn count(&self) -> Result<Instant> {
        self.control(&["--zero"])?;
        self.control(&["--instr=on"])?;
        Ok(Instant::now())
    }

    /// Switches counting off. Returns the number of instructions since, and for how long it counted.
    pub fn stop_counting(&self, since: Instant) -> Result<(u64, Duration)> {
        let elapsed = since.elapsed();
        self.control(&["--instr=off"])?;
        self.control(&["--dump"])?;
        Ok((newest_total(self.directory.path())?, elapsed))
    }

    fn control(&self, arguments: &[&str]) -> Result<()> {
        let status = Command::new("callgrind_control")
            .args(arguments)
            .arg(self.envoy.pid().to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("callgrind_control")?;
        if !status.success() {
            bail!("callgrind_control {arguments:?} failed");
        }
        Ok(())
    }
}

/// A script that stands in for Envoy's binary.
fn wrapper(directory: &Path, envoy: &Path) -> Result<PathBuf> {
    let script = directory.join("envoy-under-callgrind");
    let text = format!(
        "#!/bin/sh\nexec valgrind --tool=callgrind --smc-check=all-non-file --instr-atstart=no \
         --callgrind-out-file='{}/out' '{}' \"$@\"\n",
        directory.display(),
        envoy.display()
    );
    fs::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(script)
}

/// The total of the dump that was written last.
fn newest_total(directory: &Path) -> Result<u64> {
    let mut dumps: Vec<PathBuf> = fs::read_dir(directory)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("out.")))
        .collect();
    dumps.sort_by_key(|path| path.extension().and_then(|number| number.to_str()?.parse::<u32>().ok()));
    let newest = dumps.last().context("callgrind wrote no dump")?;
    let text = fs::read_to_string(newest)?;
    text.lines()
        .find_map(|line| line.strip_prefix("totals: "))
        .and_then(|total| total.trim().parse().ok())
        .context("a dump without a total")
}
