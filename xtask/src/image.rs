//! `cargo xtask image`: the module as an image, for `deploy/`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::{build, shell};

/// Which image to build.
#[derive(clap::Args)]
pub struct Image {
    /// The image's name, with your registry: it is built, not pushed
    #[arg(long, default_value = concat!("session-affinity:", env!("CARGO_PKG_VERSION")))]
    tag: String,
}

impl Image {
    /// Builds the module and the image, and looks at what is in it.
    pub fn run(&self) -> Result<()> {
        let module = build::run()?;
        make(&|| Command::new("docker"), &self.tag, &module)?;
        println!("{}: one layer, /plugin.wasm", self.tag);
        Ok(())
    }
}

/// Builds the image of `deploy/Dockerfile` from the built module, with the engine that `docker` reaches, and checks it:
/// one layer, in which `/plugin.wasm` is the module.
pub fn make(docker: &dyn Fn() -> Command, tag: &str, module: &Path) -> Result<()> {
    let root = harness::workspace_root();
    let mut build = docker();
    build.current_dir(&root).args(["build", "--quiet", "--file", "deploy/Dockerfile", "--tag", tag, "."]);
    shell::run_quietly(&mut build)?;
    let layers = ["image", "inspect", "--format", "{{len .RootFS.Layers}}", tag];
    let layers = shell::run_quietly(docker().args(layers))?;
    ensure!(
        layers == "1",
        "the image {tag} has {layers} layers, not the one that Istio and Envoy Gateway take"
    );
    // A container must have a command; this one is never started.
    let container = shell::run_quietly(docker().args(["create", "--network", "none", tag, "-"]))?;
    let directory = tempfile::tempdir()?;
    let copy = directory.path().join("plugin.wasm");
    let copied = shell::run_quietly(docker().args(["cp", &format!("{container}:/plugin.wasm")]).arg(&copy));
    shell::run_quietly(docker().args(["rm", &container]))?;
    copied?;
    let (inside, outside) = (fs::read(&copy)?, fs::read(module).context("reading the module")?);
    ensure!(inside == outside, "/plugin.wasm in the image {tag} is not {}", module.display());
    Ok(())
}
