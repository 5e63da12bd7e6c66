//! The bill of materials of the module (`CycloneDX` 1.5), from cargo's dependency graph. It lists the crates whose code
//! is in the module, and no crates that only build or test the module.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use cyclonedx_bom::external_models::spdx::SpdxExpression;
use cyclonedx_bom::external_models::uri::Purl;
use cyclonedx_bom::models::bom::Bom;
use cyclonedx_bom::models::component::{Classification, Component, Components};
use cyclonedx_bom::models::dependency::{Dependencies, Dependency};
use cyclonedx_bom::models::hash::{Hash, HashAlgorithm, HashValue, Hashes};
use cyclonedx_bom::models::license::{LicenseChoice, Licenses};
use cyclonedx_bom::models::metadata::Metadata;
use cyclonedx_bom::models::property::{Properties, Property};
use cyclonedx_bom::validation::Validate as _;
use serde_json::Value;

use super::checksum::sha256;
use super::{MODULE, VERSION};
use crate::shell;

/// One crate of the module.
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    checksum: Option<String>,
    /// The direct dependencies, by name and version.
    uses: BTreeSet<String>,
}

/// The bill of materials as JSON.
pub fn of_module(module: &[u8]) -> Result<Vec<u8>> {
    let packages = packages()?;
    let root = reference("session-affinity", VERSION);
    let mut bom = Bom { serial_number: None, ..Bom::default() };
    let mut of_module = Component::new(Classification::Library, MODULE, VERSION, Some(root.clone()));
    of_module.licenses = licenses("Apache-2.0");
    of_module.hashes = Some(hashes(&sha256(module)));
    let rustc = shell::run_quietly(Command::new("rustc").arg("--version"))?;
    of_module.properties = Some(Properties(vec![Property::new("session-affinity:built-with", &rustc)]));
    bom.metadata = Some(Metadata { component: Some(of_module), ..Metadata::default() });
    let others = packages.iter().filter(|(key, _)| **key != root);
    let components = others.map(|(key, package)| component(key, package)).collect::<Result<_>>()?;
    bom.components = Some(Components(components));
    let dependencies = packages.iter().map(|(key, package)| Dependency {
        dependency_ref: key.clone(),
        dependencies: package.uses.iter().cloned().collect(),
    });
    bom.dependencies = Some(Dependencies(dependencies.collect()));
    let valid = bom.validate();
    ensure!(valid.passed(), "the bill of materials is not valid CycloneDX: {valid:?}");
    let mut json = Vec::new();
    bom.output_as_json_v1_5(&mut json).context("writing the bill of materials")?;
    json.push(b'\n');
    Ok(json)
}

fn component(key: &str, package: &Package) -> Result<Component> {
    let Package { name, version, license, checksum, .. } = package;
    let mut component = Component::new(Classification::Library, name, version, Some(key.to_owned()));
    component.purl =
        Some(Purl::new("cargo", name, version).with_context(|| format!("the address of {key}"))?);
    component.licenses = license.as_deref().and_then(licenses);
    component.hashes = checksum.as_deref().map(hashes);
    Ok(component)
}

fn licenses(expression: &str) -> Option<Licenses> {
    // Older crates separate licences with a slash.
    let expression = SpdxExpression::parse_lax(expression.to_owned()).ok()?;
    Some(Licenses(vec![LicenseChoice::Expression(expression)]))
}

fn hashes(sha256: &str) -> Hashes {
    Hashes(vec![Hash { alg: HashAlgorithm::SHA_256, content: HashValue(sha256.to_owned()) }])
}

fn reference(name: &str, version: &str) -> String {
    format!("{name}@{version}")
}

/// The crates of the module by their references: those that `cargo tree` names for its target, without macros and build
/// scripts.
fn packages() -> Result<BTreeMap<String, Package>> {
    let mut tree = shell::cargo();
    tree.args(["tree", "--locked", "--package", "session-affinity", "--target", "wasm32-unknown-unknown"]);
    tree.args(["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]);
    let tree = shell::run_quietly(&mut tree)?;
    // "memchr v2.7.6", "session-affinity v0.2.0 (/path)"
    let in_module: BTreeSet<String> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some(reference(words.next()?, words.next()?.strip_prefix('v')?))
        })
        .collect();
    let mut metadata = shell::cargo();
    metadata.args(["metadata", "--locked", "--format-version", "1"]);
    metadata.args(["--filter-platform", "wasm32-unknown-unknown"]);
    let metadata: Value = serde_json::from_str(&shell::run_quietly(&mut metadata)?)?;
    let lock = std::fs::read_to_string(harness::workspace_root().join("Cargo.lock"))?;

    let text = |value: &Value| value.as_str().map(str::to_owned);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut references = BTreeMap::new();
    let mut packages = BTreeMap::new();
    for package in list(&metadata["packages"]) {
        let (Some(name), Some(version)) = (text(&package["name"]), text(&package["version"])) else {
            continue;
        };
        let key = reference(&name, &version);
        references.insert(text(&package["id"]), key.clone());
        if in_module.contains(&key) {
            let (license, checksum) = (text(&package["license"]), checksum_in(&lock, &name, &version));
            packages.insert(key, Package { name, version, license, checksum, uses: BTreeSet::new() });
        }
    }
    for node in list(&metadata["resolve"]["nodes"]) {
        let package = references.get(&text(&node["id"])).and_then(|key| packages.get_mut(key));
        let Some(package) = package else {
            continue;
        };
        for dependency in list(&node["deps"]) {
            let is_normal = list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
            let used = references.get(&text(&dependency["pkg"])).filter(|used| in_module.contains(*used));
            package.uses.extend(used.filter(|_| is_normal).cloned());
        }
    }
    ensure!(
        packages.len() == in_module.len(),
        "cargo metadata does not name each crate that cargo tree names"
    );
    Ok(packages)
}

/// The checksum of a crate in `Cargo.lock`.
fn checksum_in(lock: &str, name: &str, version: &str) -> Option<String> {
    let entry = lock.split("[[package]]").find(|entry| {
        entry.contains(&format!("\nname = \"{name}\"\n"))
            && entry.contains(&format!("\nversion = \"{version}\"\n"))
    })?;
    Some(entry.lines().find_map(|line| line.strip_prefix("checksum = \""))?.trim_end_matches('"').to_owned())
}
