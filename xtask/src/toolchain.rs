//! A Rust compiler for wasm32, by whichever way is open on this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use harness::progress::Progress;

use crate::packages::{can_install, install};
use crate::shell;

const TARGET: &str = "wasm32-unknown-unknown";

/// What the distribution's way needs, as Debian and Ubuntu package it.
const PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"];
/// What linting needs beside them.
const CLIPPY_PACKAGE: &str = "rust-web-clippy";

/// Where the distribution's compiler is, beside any that rustup put first on the `PATH`.
const BIN: &str = "/usr/bin";

/// What an outer cargo or rustup leaves in the environment that would mislead another compiler.
const INHERITED: [&str; 14] = [
    "CARGO",
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_ENCODED_RUSTDOCFLAGS",
    "RUSTC",
    "RUSTC_LINKER",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "LD_LIBRARY_PATH",
];

/// A compiler that can make the module.
pub enum Toolchain {
    /// The active toolchain has the target installed.
    Active,
    /// The distribution's compiler, which builds the standard library for the target from its own sources.
    Distribution {
        /// LLVM's linker for wasm.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// Takes what is installed. Where nothing is, installs what it may: the target through rustup, or as
    /// root the distribution's packages.
    pub fn find() -> Result<Self> {
        if active_has_target() {
            return Ok(Self::Active);
        }
        if let Some(toolchain) = distribution() {
            return Ok(toolchain);
        }
        if rustup_adds_target() {
            return Ok(Self::Active);
        }
        if can_install() {
            install(&PACKAGES)?;
        }
        distribution().map_or_else(
            || {
                bail!(
                    "no Rust compiler for {TARGET} here. Either of these helps:\n  \
                     rustup target add {TARGET}\n  \
                     apt-get install --no-install-recommends {}",
                    PACKAGES.join(" ")
                )
            },
            Ok,
        )
    }

    /// The way taken, in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Active => format!("the active Rust toolchain with its {TARGET} target"),
            Self::Distribution { .. } => {
                format!("the distribution's Rust compiler ({BIN}), the standard library built from source")
            }
        }
    }

    /// `cargo build` for the target, up to the package's own arguments.
    pub fn build(&self) -> Command {
        self.cargo("build", "cargo")
    }

    /// `cargo clippy` for the target, up to the package's own arguments.
    pub fn clippy(&self) -> Result<Command> {
        if matches!(self, Self::Distribution { .. }) && !distribution_has_clippy() {
            if !can_install() {
                bail!("linting for {TARGET} needs the package {CLIPPY_PACKAGE}");
            }
            install(&[CLIPPY_PACKAGE])?;
        }
        // `cargo clippy` would find rustup's cargo-clippy, and with it another compiler.
        Ok(self.cargo("clippy", "cargo-clippy"))
    }

    fn cargo(&self, subcommand: &str, distribution_program: &str) -> Command {
        let mut command = match self {
            Self::Active => shell::cargo(),
            Self::Distribution { .. } => Command::new(Path::new(BIN).join(distribution_program)),
        };
        for name in INHERITED {
            command.env_remove(name);
        }
        command.current_dir(harness::workspace_root());
        // A directory of its own: two compilers in one would rebuild each other's work.
        command.env("CARGO_TARGET_DIR", target_directory());
        command.args([subcommand, "--target", TARGET]);
        if let Some(sources) = registry_sources() {
            // Where this machine keeps them is nobody's business, and would make modules differ.
            let remap = format!("--remap-path-prefix={}=", sources.display());
            command.args(["--config", &format!("target.{TARGET}.rustflags=[{remap:?}]")]);
        }
        if let Self::Distribution { linker } = self {
            command.env_remove("RUSTUP_TOOLCHAIN");
            command.env("CARGO", Path::new(BIN).join("cargo"));
            command.env("RUSTC", Path::new(BIN).join("rustc"));
            // `-Z build-std` is for nightly compilers, or for those who ask like this.
            command.env("RUSTC_BOOTSTRAP", "1");
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
            command.args(["-Z", "build-std=std,panic_abort"]);
        }
        command
    }
}

/// Where cargo leaves a release build of the target.
pub fn release_directory() -> PathBuf {
    target_directory().join(TARGET).join("release")
}

/// Where cargo unpacks the dependencies.
fn registry_sources() -> Option<PathBuf> {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let in_home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"));
    Some(cargo_home.or_else(in_home)?.join("registry/src/"))
}

fn target_directory() -> PathBuf {
    harness::workspace_root().join("target/wasm")
}

fn active_has_target() -> bool {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", TARGET]);
    shell::run_quietly(&mut rustc).is_ok_and(|directory| has_file(Path::new(&directory), "libstd-", ".rlib"))
}

fn rustup_adds_target() -> bool {
    let mut rustup = Command::new("rustup");
    if shell::run_quietly(rustup.arg("--version")).is_err() {
        return false;
    }
    let mut add = Command::new("rustup");
    let progress = Progress::start(shell::shown(add.args(["target", "add", TARGET])));
    let added = shell::run_quietly(&mut add).is_ok() && active_has_target();
    progress.finish(if added { "done" } else { "did not work, looking for another way" });
    added
}

fn distribution() -> Option<Toolchain> {
    let program = |name: &str| Path::new(BIN).join(name).is_file();
    let mut rustc = Command::new(Path::new(BIN).join("rustc"));
    let sysroot = shell::run_quietly(rustc.args(["--print", "sysroot"])).ok()?;
    let library = Path::new(&sysroot).join("lib/rustlib/src/rust/library");
    let linker = find_file(Path::new(BIN), "wasm-ld", "")?;
    (program("cargo") && library.is_dir()).then_some(Toolchain::Distribution { linker })
}

fn distribution_has_clippy() -> bool {
    ["cargo-clippy", "clippy-driver"].iter().all(|name| Path::new(BIN).join(name).is_file())
}

fn has_file(directory: &Path, prefix: &str, suffix: &str) -> bool {
    find_file(directory, prefix, suffix).is_some()
}

/// The last such file by name: of `wasm-ld-18` and `wasm-ld-19`, the newer.
fn find_file(directory: &Path, prefix: &str, suffix: &str) -> Option<PathBuf> {
    let names = fs::read_dir(directory).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let name = names.filter(|name| name.starts_with(prefix) && name.ends_with(suffix)).max()?;
    Some(directory.join(name))
}
