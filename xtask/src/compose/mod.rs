//! `cargo xtask test --compose`: the Compose files as people run them, on a real Docker engine.

mod docker;
mod engine;
mod images;
mod pods;
mod project;
mod scaling;
mod visitor;

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use console::style;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::docker::Docker;
use self::images::Images;
use self::project::Project;
use crate::screen::Screen;
use crate::{build, image, shell};

/// The file of three pods, each a backend, and the file of one service with replicas.
const FILES: [&str; 2] = ["docker-compose.yml", "docker-compose.scale.yml"];

/// Builds the module, sees to an engine and to images, and does with the Compose files what people do. Whatever
/// happens, and after Ctrl-C as well, nothing is left behind: no container, network, volume, image, engine.
pub fn run() -> Result<()> {
    let module = build::run()?;
    tokio::runtime::Runtime::new()?.block_on(async {
        // From here on a signal no longer ends this program before it has taken everything down.
        let mut signals = Signals::listen()?;
        let docker = Docker::find().await?;
        let images = Images::new(&docker);
        let [pods, scaled] = FILES.map(|file| Project::new(&docker, file));
        let (pods, scaled) = (pods?, scaled?);
        let screen = Screen::default();
        let tested = tokio::select! {
            tested = test(&images, &pods, &scaled, &screen) => tested.and_then(|()| image_of_module(&docker, &module, &screen)),
            () = signals.any() => Err(anyhow!("interrupted")),
        };
        let mut ends = vec![tested];
        // In this order: a project holds its images, and the engine holds all.
        ends.push(pods.down().await);
        ends.push(scaled.down().await);
        ends.push(images.remove().await);
        ends.push(left_behind(&docker, &images, &[&pods, &scaled], &screen).await);
        drop((pods, scaled, images));
        ends.push(docker.end().await);
        let mut errors = ends.into_iter().filter_map(Result::err);
        if let Some(first) = errors.next() {
            errors.for_each(|error| eprintln!("{} {error:#}", style("also:").red()));
            return Err(first);
        }
        screen.verdict()
    })
}

async fn test(images: &Images<'_>, pods: &Project<'_>, scaled: &Project<'_>, screen: &Screen) -> Result<()> {
    for project in [pods, scaled] {
        images.provide(&project.images().await?).await?;
    }
    with_log(pods, pods::walk(pods, screen).await).await?;
    pods.down().await?;
    with_log(scaled, scaling::walk(scaled, screen).await).await?;
    scaled.down().await?;
    Ok(())
}

/// Builds the module's image as `cargo xtask image` does, looks at it, and removes it.
fn image_of_module(docker: &Docker, module: &Path, screen: &Screen) -> Result<()> {
    screen.step("The module is an image, for Kubernetes");
    let tag = format!("session-affinity-test:{}", std::process::id());
    let made = image::make(&|| docker.command(), &tag, module);
    let removed = shell::run_quietly(docker.command().args(["image", "rm", &tag]));
    screen.check(made.is_ok(), "one layer, with /plugin.wasm in it");
    made?;
    removed.map(drop)
}

async fn with_log(project: &Project<'_>, walked: Result<()>) -> Result<()> {
    match walked {
        Ok(()) => Ok(()),
        Err(error) => {
            Err(error.context(format!("{} broke off; its log:\n{}", project.file(), project.log().await)))
        }
    }
}

async fn left_behind(
    docker: &Docker,
    images: &Images<'_>,
    projects: &[&Project<'_>],
    screen: &Screen,
) -> Result<()> {
    screen.step("Nothing is left behind");
    let mut left = Vec::new();
    for project in projects {
        let label = format!("label=com.docker.compose.project={}", project.name());
        for list in
            [&["ps", "--all", "--quiet"][..], &["network", "ls", "--quiet"], &["volume", "ls", "--quiet"]]
        {
            let found = docker.run(&[list, &["--filter", &label]].concat()).await?;
            left.extend(found.lines().map(|id| format!("{} {id}", list[0])));
        }
    }
    left.extend(images.left().await.into_iter().map(|image| format!("image {image}")));
    screen.check(left.is_empty(), "no container, no network, no volume, no image of ours");
    if left.is_empty() { Ok(()) } else { bail!("left behind: {}", left.join(", ")) }
}

/// What tells this program to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        eprintln!("\ninterrupted: taking everything down");
    }
}
