//! `cargo xtask bench`.

use anyhow::Result;

use crate::{build, shell};

/// The arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Bench {
    /// Arguments of the benchmark; `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Bench {
    /// Builds the module, unless `SESSION_AFFINITY_WASM` names another one, and runs the benchmark.
    pub fn run(&self) -> Result<()> {
        if std::env::var_os("SESSION_AFFINITY_WASM").is_none() {
            build::run()?;
        }
        // The benchmark is not optimised, because its own speed is not part of any figure.
        let run = ["run", "--quiet", "--package", "session-affinity-bench", "--"];
        shell::run(shell::cargo().args(run).args(&self.arguments))
    }
}
