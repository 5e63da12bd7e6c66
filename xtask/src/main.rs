//! Build, demo and test commands of this repository.

#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "a tool may panic")]

mod bench;
mod build;
mod demo;
mod dist;
mod exports;
mod fuzz;
mod image;
mod lint;
mod manifests;
mod screen;
mod shell;
mod test;

use std::process::ExitCode;

use clap::Parser;

/// Build, demo and test commands of this repository.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Command {
    /// Build the filter's module, `target/session_affinity.wasm`
    Build(build::Build),
    /// Build an image of the module, for Kubernetes
    Image(image::Image),
    /// Render the Helm chart into `deploy/kubernetes`
    Manifests,
    /// Make all files of a release: the module with checksum, image and bill of materials, the command-line tool, the
    /// chart, the schema, and an archive of these
    Dist(dist::Dist),
    /// Show session affinity on a real Envoy in front of three pods
    Demo(demo::Demo),
    /// Measure what a request costs
    #[command(disable_help_flag = true)]
    Bench(bench::Bench),
    /// Run the tests, most of them on a real Envoy; options add tests under load, or choose other tests
    Test(test::Test),
    /// Fuzz all code that reads input from clients, applications and other workers
    Fuzz(fuzz::Fuzz),
    /// Check formatting, lints (natively and for wasm32) and documentation
    Lint,
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Build(build) => build.run(),
        Command::Image(image) => image.run(),
        Command::Manifests => manifests::run(),
        Command::Dist(dist) => dist.run(),
        Command::Demo(demo) => demo.run(),
        Command::Bench(bench) => bench.run(),
        Command::Test(test) => test.run(),
        Command::Fuzz(fuzz) => fuzz.run(),
        Command::Lint => lint::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Prints the causes without a backtrace, which would hide them.
            eprintln!("{} {error:#}", console::style("error:").red().bold());
            ExitCode::FAILURE
        }
    }
}
