//! `cargo xtask dist`: makes all files of a release.

mod archive;
mod checksum;
mod image;
mod notes;
mod sbom;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use harness::helm::Chart;

use crate::{build, shell};

/// The version of every part of a release.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The module's file in a release.
const MODULE: &str = "session_affinity.wasm";

/// The name of the archive with the whole release. The command-line tool in it is for this machine.
const ARCHIVE: &str = concat!("session-affinity-", env!("CARGO_PKG_VERSION"), "-linux-x86_64");
/// The checksums of all files.
const CHECKSUMS: &str = "SHA256SUMS";

/// The directories of the repository that a release has, and their names there.
const DIRECTORIES: [(&str, &str); 4] =
    [("envoy", "envoy"), ("cli/examples", "examples"), ("docs", "docs"), ("deploy", "deploy")];

/// The arguments of `cargo xtask dist`.
#[derive(clap::Args)]
pub struct Dist {
    /// The directory of the release; files of an earlier run are replaced
    #[arg(long, default_value = "dist")]
    to: PathBuf,
    /// Only the module, its checksum and its image
    #[arg(long)]
    only_image: bool,
    /// Build the module of this checkout instead
    #[arg(long, value_name = "DIRECTORY", hide = true)]
    from: Option<PathBuf>,
}

impl Dist {
    /// Builds the module, and makes the files of a release from it.
    pub fn run(&self) -> Result<()> {
        let root = harness::workspace_root();
        let module = match &self.from {
            Some(checkout) => build::in_checkout(checkout)?,
            None => fs::read(build::run()?).context("reading the module")?,
        };
        let to = &root.join(&self.to);
        clear(to)?;
        write(to, MODULE, &module)?;
        write(to, &format!("{MODULE}.sha256"), checksum::line(MODULE, &module).as_bytes())?;
        let image = image::write(&to.join("image"), &module)?;
        println!("{}: the image {image}, an OCI layout", to.join("image").display());
        if self.only_image {
            return Ok(());
        }
        write(to, "session_affinity.cdx.json", &sbom::of_module(&module)?)?;
        write(to, "release-notes.md", notes::newest(&read(&root, "CHANGELOG.md")?)?.as_bytes())?;
        write(
            to,
            "session-affinity.schema.json",
            read(&root, "docs/session-affinity.schema.json")?.as_bytes(),
        )?;
        for file in ["LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md"] {
            write(to, file, read(&root, file)?.as_bytes())?;
        }
        write(to, "session-affinity", &tool(&root)?)?;
        make_executable(&to.join("session-affinity"))?;
        for (in_repository, in_release) in DIRECTORIES {
            copy(&root.join(in_repository), &to.join(in_release))?;
        }
        let chart = Chart::shipped().package(to).context("packaging the Helm chart")?;
        println!("{}", chart.display());
        println!("{}", archive::write(to, ARCHIVE)?.display());
        write_checksums(to)
    }
}

/// Empties the directory if it holds an earlier release, that is, a module and an image. Any other directory keeps its
/// files.
fn clear(directory: &Path) -> Result<()> {
    if directory.join(MODULE).is_file() && directory.join("image/oci-layout").is_file() {
        fs::remove_dir_all(directory).with_context(|| format!("clearing {}", directory.display()))?;
    }
    fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))
}

/// Writes the checksums of the files that are downloaded one by one.
fn write_checksums(directory: &Path) -> Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    let mut checksums = String::new();
    for name in names {
        let bytes = fs::read(directory.join(&name)).with_context(|| format!("reading {name}"))?;
        checksums += &checksum::line(&name, &bytes);
    }
    write(directory, CHECKSUMS, checksums.as_bytes())
}

/// Builds the command-line tool for this machine.
fn tool(root: &Path) -> Result<Vec<u8>> {
    shell::run(shell::cargo().args([
        "build",
        "--profile",
        "tool",
        "--package",
        "cli",
        "--bin",
        "session-affinity",
    ]))?;
    fs::read(root.join("target/tool/session-affinity")).context("reading the command-line tool")
}

fn make_executable(path: &Path) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("making {} executable", path.display()))
}

/// Copies a directory.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("creating {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("writing {}", target.display()))?;
        }
    }
    Ok(())
}

fn read(root: &Path, path: &str) -> Result<String> {
    fs::read_to_string(root.join(path))
        .with_context(|| format!("reading {path}, which is a part of every release"))
}

/// Writes a file and prints its path.
fn write(directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = directory.join(name);
    fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}
