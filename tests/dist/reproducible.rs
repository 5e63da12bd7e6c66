//! The same sources give the same module and image, in any directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::workspace_root;

use crate::release::{RELEASE, directory, dist, run};

/// A copy of the checkout's files, committed or not, in another directory.
fn copy_of_the_checkout() -> PathBuf {
    let copy = directory("a checkout in another directory");
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(workspace_root());
    for name in String::from_utf8(run(&mut git)).unwrap().split_terminator('\0') {
        let (from, to) = (workspace_root().join(name), copy.join(name));
        // A deleted file whose deletion is not committed yet.
        if from.is_file() {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(from, to).unwrap();
        }
    }
    copy
}

/// The files below a directory, by path.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![directory.to_path_buf()];
    while let Some(next) = directories.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.insert(path.strip_prefix(directory).unwrap().to_path_buf(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

#[test]
fn a_checkout_in_another_directory_makes_the_same_module_and_image_byte_for_byte() {
    let (copy, second) = (copy_of_the_checkout(), directory("dist of the copy"));
    dist(&second, &["--only-image", "--from", copy.to_str().unwrap()]);
    let (one, other) = (files(&RELEASE), files(&second));
    assert!(other.len() >= 8, "the module, its checksum and an image: {:?}", other.keys());
    for (path, bytes) in &other {
        assert!(one.get(path) == Some(bytes), "{} differs", path.display());
    }
    fs::remove_dir_all(copy).unwrap();
}

#[test]
fn the_module_names_no_directory_of_the_machine_that_built_it() {
    let module = crate::release::module();
    let home = std::env::home_dir().unwrap();
    for directory in [workspace_root(), home] {
        let name = directory.to_str().unwrap().as_bytes();
        assert!(!module.windows(name.len()).any(|window| window == name), "{}", directory.display());
    }
}
