//! The images that the Compose files name: there already, pulled, or stood in for.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use harness::progress::Progress;
use harness::{envoy_binary, python_package};

use super::docker::Docker;
use crate::shell;

/// The label of images that stand in for public ones.
const STAND_IN: &str = "session-affinity.stand-in";

/// How long a registry may take to say the first word. Where there is none, that is not to hold anybody up.
const FIRST_WORD: Duration = Duration::from_secs(10);

/// Images under public names that were not here before.
pub struct Images<'a> {
    docker: &'a Docker,
    added: RefCell<Vec<String>>,
}

impl<'a> Images<'a> {
    /// None yet.
    pub fn new(docker: &'a Docker) -> Self {
        Self { docker, added: RefCell::default() }
    }

    /// Sees to these images. One that is here is taken as it is, unless it is a stand-in that an earlier run could
    /// not remove.
    pub async fn provide(&self, images: &[String]) -> Result<()> {
        for image in images {
            if self.added.borrow().contains(image) || self.is_here(image).await {
                continue;
            }
            self.added.borrow_mut().push(image.clone());
            self.remove_one(image).await?;
            if self.pull(image).await? {
                continue;
            }
            let progress = Progress::start(format!("{image} cannot be pulled: making a stand-in"));
            self.stand_in(image).await.with_context(|| format!("making a stand-in for {image}"))?;
            progress.finish("done");
        }
        Ok(())
    }

    /// Removes what was not here before.
    pub async fn remove(&self) -> Result<()> {
        let added = self.added.borrow().clone();
        for image in added {
            self.remove_one(&image).await?;
        }
        Ok(())
    }

    /// What was not here before and is here now.
    pub async fn left(&self) -> Vec<String> {
        let mut left = self.added.borrow().clone();
        for index in (0..left.len()).rev() {
            if !self.exists(&left[index]).await {
                left.remove(index);
            }
        }
        left
    }

    async fn remove_one(&self, image: &str) -> Result<()> {
        if self.exists(image).await {
            self.docker.run(&["image", "rm", "--force", image]).await?;
        }
        Ok(())
    }

    async fn exists(&self, image: &str) -> bool {
        self.docker.run(&["image", "inspect", image]).await.is_ok()
    }

    async fn is_here(&self, image: &str) -> bool {
        let label = format!("{{{{index .Config.Labels \"{STAND_IN}\"}}}}");
        let found = self.docker.run(&["image", "inspect", "--format", &label, image]).await;
        found.is_ok_and(|label| label != "true")
    }

    /// Whether it could be pulled.
    async fn pull(&self, image: &str) -> Result<bool> {
        let progress = Progress::start(format!("pulling {image}"));
        let mut command = self.docker.command();
        command.args(["pull", image]);
        let pulled = tokio::task::spawn_blocking(move || pull(command)).await??;
        progress.finish(if pulled { "done" } else { "no" });
        Ok(pulled)
    }

    async fn stand_in(&self, image: &str) -> Result<()> {
        let (repository, tag) = image.split_once(':').context("an image without a tag")?;
        let bash = PathBuf::from("/bin/bash");
        let (programs, changes): (Vec<PathBuf>, &[&str]) = match repository {
            // The image runs Envoy as this user, and its health check in docker-compose.yml needs bash.
            "envoyproxy/envoy" => (
                vec![envoy_binary::get(tag.trim_start_matches('v'))?, bash],
                &["USER 101:101", r#"CMD ["envoy", "-c", "/etc/envoy/envoy.yaml"]"#],
            ),
            "denoland/deno" => (vec![python_package::program("deno", tag, "bin/deno")?], &[]),
            _ => bail!("nothing stands in for it: allowed are envoyproxy/envoy and denoland/deno"),
        };
        let archive = tempfile::Builder::new().suffix(".tar").tempfile()?;
        root_file_system(archive.reopen()?, &programs)?;
        let mut arguments = vec!["import".to_owned()];
        let label = format!("LABEL {STAND_IN}=true");
        for change in [&["ENV PATH=/usr/bin", &label], changes].concat() {
            arguments.extend(["--change".to_owned(), change.to_owned()]);
        }
        arguments.extend([archive.path().display().to_string(), image.to_owned()]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.docker.run(&arguments).await.map(drop)
    }
}

/// `docker pull`, given up where nothing is heard.
fn pull(mut command: Command) -> Result<bool> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("running {}", shell::shown(&command)))?;
    let mut output = BufReader::new(child.stdout.take().context("no output")?);
    let (heard, first_word) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut line = String::new();
        if output.read_line(&mut line).is_ok() {
            // Nobody listens any more where it came too late.
            let _ = heard.send(());
        }
        let _ = output.read_to_string(&mut line);
    });
    if first_word.recv_timeout(FIRST_WORD).is_err() {
        // Fails only where it has ended by itself.
        let _ = child.kill();
    }
    let pulled = child.wait()?.success();
    // It ends with the output.
    let _ = reader.join();
    Ok(pulled)
}

/// Writes the file system of an image that has these programs in `/usr/bin`, the shared libraries they need, and
/// nothing else.
fn root_file_system(archive: File, programs: &[PathBuf]) -> Result<()> {
    let mut tar = tar::Builder::new(archive);
    for directory in ["dev", "etc", "proc", "sys", "tmp"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(if directory == "tmp" { 0o1777 } else { 0o755 });
        header.set_size(0);
        tar.append_data(&mut header, format!("{directory}/"), std::io::empty())?;
    }
    let mut files: Vec<(PathBuf, PathBuf)> = Vec::new();
    for program in programs {
        let name = program.file_name().context("a program without a name")?;
        files.push((program.clone(), Path::new("usr/bin").join(name)));
        for library in shared_libraries(program)? {
            let place = library.strip_prefix("/")?.to_path_buf();
            files.push((library, place));
        }
    }
    files.sort_by(|(_, one), (_, other)| one.cmp(other));
    files.dedup_by(|(_, one), (_, other)| one == other);
    for (source, place) in files {
        let mut file = File::open(&source).with_context(|| format!("reading {}", source.display()))?;
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(file.metadata()?.len());
        tar.append_data(&mut header, place, &mut file)?;
    }
    tar.into_inner()?;
    Ok(())
}

/// Where the dynamic loader finds what a program needs, and the loader itself.
fn shared_libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let listed = shell::run_quietly(Command::new("ldd").arg(program))?;
    // "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f573933e000)"
    let words = listed.lines().filter_map(|line| line.split_whitespace().rfind(|word| word.starts_with('/')));
    Ok(words.map(PathBuf::from).collect())
}
