//! `cargo xtask image`: the module as an image, for `deploy/`.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::{build, shell};

/// The arguments of `cargo xtask image`.
#[derive(clap::Args)]
pub struct Image {
    /// The image's name, with your registry; the image is not pushed
    #[arg(long, default_value = concat!("session-affinity:", env!("CARGO_PKG_VERSION")))]
    tag: String,
}

impl Image {
    /// Builds the module and the image of `deploy/Dockerfile`, and checks the image: one layer, in which `/plugin.wasm`
    /// is the module.
    pub fn run(&self) -> Result<()> {
        let (module, tag) = (build::run()?, &self.tag);
        docker(&["build", "--quiet", "--file", "deploy/Dockerfile", "--tag", tag, "."])?;
        let layers = docker(&["image", "inspect", "--format", "{{len .RootFS.Layers}}", tag])?;
        ensure!(
            layers == "1",
            "the image {tag} has {layers} layers, but Istio and Envoy Gateway only accept one"
        );
        // A container must have a command. This container is never started.
        let container = docker(&["create", "--network", "none", tag, "-"])?;
        let directory = tempfile::tempdir()?;
        let copy = directory.path().join("plugin.wasm");
        let copied = docker(&["cp", &format!("{container}:/plugin.wasm"), &copy.to_string_lossy()]);
        docker(&["rm", &container])?;
        copied?;
        let (inside, outside) = (fs::read(&copy)?, fs::read(&module).context("reading the module")?);
        ensure!(inside == outside, "/plugin.wasm in the image {tag} is not {}", module.display());
        println!("{tag}: one layer, /plugin.wasm");
        Ok(())
    }
}

fn docker(arguments: &[&str]) -> Result<String> {
    shell::run_quietly(Command::new("docker").current_dir(harness::workspace_root()).args(arguments))
}
