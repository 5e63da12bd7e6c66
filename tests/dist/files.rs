//! The files of a release.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use pulldown_cmark::{Event, Options, Parser, Tag};
use serde_json::Value;

use crate::release::{RELEASE, VERSION, directory, run};

#[test]
fn a_release_has_all_its_parts() {
    let names: BTreeSet<String> = fs::read_dir(&*RELEASE)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = [
        "CHANGELOG.md".to_owned(),
        "LICENSE".to_owned(),
        "README.md".to_owned(),
        "SECURITY.md".to_owned(),
        "SHA256SUMS".to_owned(),
        "deploy".to_owned(),
        "docs".to_owned(),
        "envoy".to_owned(),
        "examples".to_owned(),
        "image".to_owned(),
        "release-notes.md".to_owned(),
        "session-affinity".to_owned(),
        format!("session-affinity-{VERSION}-linux-x86_64.tar.gz"),
        format!("session-affinity-{VERSION}.tgz"),
        "session-affinity.schema.json".to_owned(),
        "session_affinity.cdx.json".to_owned(),
        "session_affinity.wasm".to_owned(),
        "session_affinity.wasm.sha256".to_owned(),
    ];
    assert_eq!(names, BTreeSet::from(expected));
}

#[test]
fn the_command_line_tool_passes_the_configurations_beside_it() {
    let files = fs::read_dir(RELEASE.join("envoy")).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    run(Command::new(RELEASE.join("session-affinity")).arg("check").args(files));
}

#[test]
fn sha256sum_confirms_the_module_and_every_file_that_is_downloaded() {
    for checksums in ["session_affinity.wasm.sha256", "SHA256SUMS"] {
        run(Command::new("sha256sum").args(["--check", "--strict", checksums]).current_dir(&*RELEASE));
    }
    let checksums = fs::read_to_string(RELEASE.join("SHA256SUMS")).unwrap();
    let files = fs::read_dir(&*RELEASE).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_file());
    assert_eq!(checksums.lines().count() + 1, files.count(), "all but SHA256SUMS:\n{checksums}");
}

#[test]
fn the_archive_has_the_whole_release_and_its_tool_runs() {
    let directory = directory("unpacked");
    let name = format!("session-affinity-{VERSION}-linux-x86_64");
    run(Command::new("tar")
        .args(["--extract", "--gzip", "--file"])
        .arg(RELEASE.join(format!("{name}.tar.gz")))
        .arg("--directory")
        .arg(&directory));
    let unpacked = directory.join(name);
    run(Command::new("./session-affinity").args(["check", "envoy/envoy.yaml"]).current_dir(&unpacked));
    run(Command::new("sh")
        .args(["-c", "./session-affinity convert gke examples/neg-demo/*.yaml > balancer.yaml"])
        .current_dir(&unpacked));
    for file in [
        "LICENSE",
        "session_affinity.wasm",
        "docs/gke.md",
        "image/index.json",
        "envoy/live-update/filter.yaml",
    ] {
        assert!(
            fs::read(unpacked.join(file)).unwrap() == fs::read(RELEASE.join(file)).unwrap(),
            "{file} in the archive is another"
        );
    }
}

/// Parts of links to files and pages that only the repository has.
const ONLY_IN_THE_REPOSITORY: [&str; 6] =
    ["ARCHITECTURE.md", "CONTRIBUTING.md", "bench/", "docker-compose", "../issues", "../releases"];

/// The files to which the links of a page lead, relative to the page.
fn targets(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let links = Parser::new_ext(&text, Options::ENABLE_TABLES).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url),
        _ => None,
    });
    let targets = links.map(|link| link.split('#').next().unwrap().to_owned());
    targets.filter(|target| !target.is_empty() && !target.contains("://")).collect()
}

#[test]
fn the_links_in_the_pages_of_a_release_lead_to_its_files() {
    let mut count = 0;
    for directory in ["", "docs", "deploy"].map(|name| RELEASE.join(name)) {
        let files = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
        for page in files.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
            for target in targets(&page) {
                let is_there = directory.join(&target).exists();
                let may_lack = ONLY_IN_THE_REPOSITORY.iter().any(|part| target.contains(part));
                assert!(is_there || may_lack, "{}: {target}", page.display());
                count += usize::from(is_there);
            }
        }
    }
    assert!(count > 200, "{count}");
}

#[test]
fn the_notes_are_the_newest_section_of_the_changelog() {
    let notes = fs::read_to_string(RELEASE.join("release-notes.md")).unwrap();
    let changelog = fs::read_to_string(harness::workspace_root().join("CHANGELOG.md")).unwrap();
    assert!(changelog.contains(notes.trim()) && notes.contains("### Added"), "{notes}");
    assert!(!notes.contains("\n## "), "one section: {notes}");
}

#[test]
fn the_bill_of_materials_names_what_is_in_the_module_and_nothing_else() {
    let bill: Value =
        serde_json::from_slice(&fs::read(RELEASE.join("session_affinity.cdx.json")).unwrap()).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    assert_eq!(bill["metadata"]["component"]["version"], VERSION);
    let names: BTreeSet<&str> = bill["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|component| component["name"].as_str().unwrap())
        .collect();
    for inside in ["proxy-wasm", "chacha20poly1305", "serde", "serde_json", "prost", "wasi"] {
        assert!(names.contains(inside), "{inside} is in the module: {names:?}");
    }
    // Crates of a macro, a build script, a test, and another target.
    for outside in
        ["serde_derive", "prost-derive", "syn", "proptest", "tokio", "harness", "libc", "cpufeatures"]
    {
        assert!(!names.contains(outside), "{outside} is not in the module");
    }
    for component in bill["components"].as_array().unwrap() {
        let has_all = ["purl", "licenses", "hashes"].iter().all(|field| !component[field].is_null());
        assert!(has_all, "{component}");
    }
}
