//! `gke-to-envoy`: see `--help`.

use std::error::Error;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use gke_to_envoy::{EndpointFile, Options, Source, convert};

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let sources = options.files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    let (configuration, report) = convert(&sources, options);
    for remark in report.remarks() {
        eprintln!("{remark}");
    }
    let Some(configuration) = configuration else {
        let errors = report.errors();
        let mistakes = if errors == 1 { "mistake" } else { "mistakes" };
        eprintln!("error: {errors} {mistakes}, nothing is written");
        return Ok(ExitCode::FAILURE);
    };
    for file in &configuration.files {
        place(file).map_err(|error| format!("{}: {error}", file.path.display()))?;
    }
    io::stdout().write_all(configuration.bootstrap.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> Result<Source, String> {
    let name = file.display().to_string();
    let mut text = String::new();
    let read = if name == "-" {
        io::stdin().read_to_string(&mut text).map(drop)
    } else {
        fs::read_to_string(file).map(|contents| text = contents)
    };
    read.map_err(|error| format!("{name}: {error}"))?;
    Ok(Source { name: if name == "-" { "standard input".to_owned() } else { name }, text })
}

/// Envoy may be reading the directory: a file appears there whole.
fn place(file: &EndpointFile) -> io::Result<()> {
    let shown = file.path.display();
    if file.path.exists() && !file.replaces {
        eprintln!("{shown}: note: left as it is; give --endpoints to write it anew");
        return Ok(());
    }
    let directory = file.path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let readable = fs::Permissions::from_mode(0o644);
    let mut new = tempfile::Builder::new().permissions(readable).tempfile_in(directory)?;
    new.write_all(file.contents.as_bytes())?;
    new.persist(&file.path)?;
    let what =
        if file.replaces { "written" } else { "written without an endpoint: list the pods' addresses in it" };
    eprintln!("{shown}: note: {what}");
    Ok(())
}
