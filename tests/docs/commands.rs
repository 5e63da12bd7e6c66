//! The commands in pages, run in the order of the page, in a directory with the files that a user has.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use harness::{envoy_binary, module_path, packages, tool, workspace_root};

use crate::page::{Block, Page, pages};
use crate::ports::Ports;
use crate::sample::matches;
use crate::shell::Shell;

/// A limit for operations that take little time.
const SOON: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// A command line after `$`, and its output.
struct Step {
    command: String,
    output: String,
}

fn steps(console: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in console.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), output: String::new() });
        } else {
            let step = steps.last_mut().expect("a command before its output");
            step.output.push_str(line);
            step.output.push('\n');
        }
    }
    steps
}

/// Copies a directory, and replaces the ports by those in use.
fn copy(from: &Path, to: &Path, ports: &Ports) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target, ports);
        } else {
            fs::write(target, ports.used(&fs::read_to_string(&path).unwrap())).unwrap();
        }
    }
}

/// A directory of programs: Envoy, changed so that several can run side by side, and the command-line tool.
fn programs(directory: &Path) -> PathBuf {
    let programs = directory.join("programs");
    fs::create_dir(&programs).unwrap();
    let envoy = envoy_binary::locate().unwrap();
    let script =
        format!("#!/bin/sh\nexec {} --disable-hot-restart --concurrency 2 \"$@\"\n", envoy.display());
    let path = programs.join("envoy");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    // On a terminal, curl shows no progress while it prints a page.
    fs::write(programs.join(".curlrc"), "no-progress-meter\n").unwrap();
    std::os::unix::fs::symlink(tool::path(), programs.join("session-affinity")).unwrap();
    programs
}

/// Runs all commands of a page.
fn run(name: &str) {
    for program in ["curl", "jq", "openssl"] {
        packages::need(program, &[program]).unwrap();
    }
    let (directory, ports) = (tempfile::tempdir().unwrap(), Ports::choose());
    let root = workspace_root();
    for (in_repository, in_release) in [("envoy", "envoy"), ("cli/examples", "examples")] {
        copy(&root.join(in_repository), &directory.path().join(in_release), &ports);
    }
    std::os::unix::fs::symlink(module_path().unwrap(), directory.path().join("session_affinity.wasm"))
        .unwrap();
    let mut shell = Shell::start(directory.path(), &programs(directory.path()));
    for block in Page::read(name).blocks() {
        let Some(purpose) = block.run() else { continue };
        match &purpose[..] {
            ["background", awaited @ ..] => {
                shell.start_in_background(&ports.used(&block.text));
                for port in awaited {
                    wait_for(&ports.used(port), &block, directory.path());
                }
            }
            [] if block.language == "sh" => {
                let (output, code) = shell.run(&ports.used(&block.text));
                assert_eq!(code, 0, "{}: {output}", block.place);
            }
            [] | ["eventually"] => {
                for step in steps(&block.text) {
                    let patience = if purpose.is_empty() { Duration::ZERO } else { SOON };
                    run_step(&mut shell, &step, &block, &ports, patience);
                }
            }
            _ => panic!("{}: {purpose:?}", block.place),
        }
    }
}

/// Runs a command, repeatedly within the time limit, until it prints the output in the page.
fn run_step(shell: &mut Shell, step: &Step, block: &Block, ports: &Ports, patience: Duration) {
    let start = Instant::now();
    loop {
        let (output, _) = shell.run(&ports.used(&step.command));
        let output = ports.said(&output);
        if matches(&step.output, &output) {
            return;
        }
        assert!(
            start.elapsed() < patience,
            "{}: {}\nprints\n{output}\nand not\n{}",
            block.place,
            step.command,
            step.output
        );
        thread::sleep(POLL);
    }
}

fn wait_for(port: &str, block: &Block, directory: &Path) {
    let start = Instant::now();
    while TcpStream::connect(format!("127.0.0.1:{port}")).is_err() {
        let log = || fs::read_to_string(directory.join("background.log")).unwrap_or_default();
        assert!(start.elapsed() < SOON, "{}: nobody listens on port {port}: {}", block.place, log());
        thread::sleep(POLL);
    }
}

/// Pages whose commands are run.
const PAGES: [&str; 8] = [
    "README.md",
    "docs/configuration.md",
    "docs/gke.md",
    "docs/install.md",
    "docs/keys.md",
    "docs/live-updates.md",
    "docs/observability.md",
    "docs/troubleshooting.md",
];

#[test]
fn all_pages_with_commands_are_run() {
    let with_commands =
        pages().into_iter().filter(|page| page.blocks().iter().any(|block| block.run().is_some()));
    let names: Vec<_> = with_commands.map(|page| page.name).collect();
    assert_eq!(names, PAGES);
}

#[test]
fn the_commands_of_the_readme_print_what_it_says() {
    run("README.md");
}

#[test]
fn the_commands_about_configuration_errors_print_what_the_page_says() {
    run("docs/configuration.md");
}

#[test]
fn the_commands_about_gke_manifests_print_what_the_page_says() {
    run("docs/gke.md");
}

#[test]
fn the_commands_about_installation_print_what_the_page_says() {
    run("docs/install.md");
}

#[test]
fn the_commands_about_keys_print_what_the_page_says() {
    run("docs/keys.md");
}

#[test]
fn the_commands_about_live_updates_print_what_the_page_says() {
    run("docs/live-updates.md");
}

#[test]
fn the_commands_about_observability_print_what_the_page_says() {
    run("docs/observability.md");
}

#[test]
fn the_commands_about_troubleshooting_print_what_the_page_says() {
    run("docs/troubleshooting.md");
}
