//! Programs that are not part of this repository.

use std::env;
use std::path::Path;

use anyhow::{Result, bail};

use crate::packages;

/// Counts instructions: `valgrind`, `callgrind_control`.
pub const VALGRIND: Tool = Tool { program: "callgrind_control", package: "valgrind" };
/// Makes load: `h2load` of nghttp2.
pub const H2LOAD: Tool = Tool { program: "h2load", package: "nghttp2-client" };

/// A program and where it comes from.
pub struct Tool {
    program: &'static str,
    /// As Debian and Ubuntu call it.
    package: &'static str,
}

impl Tool {
    /// Sees to it that the program is there: as root it is installed where it is missing.
    pub fn need(&self) -> Result<()> {
        if !self.is_there() && packages::can_install() {
            packages::install(&[self.package])?;
        }
        if !self.is_there() {
            bail!("{} is missing. Install it first (Debian: apt-get install {})", self.program, self.package);
        }
        Ok(())
    }

    fn is_there(&self) -> bool {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path).any(|directory| is_file(&directory, self.program))
    }
}

fn is_file(directory: &Path, name: &str) -> bool {
    directory.join(name).is_file()
}
