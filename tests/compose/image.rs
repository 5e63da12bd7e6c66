//! `cargo xtask image`.

use std::process::Command;

use crate::project::{docker, output};

/// `cargo xtask image` itself compares the file in the image with the module.
#[test]
fn the_image_has_one_layer_that_holds_the_module() {
    let tag = format!("session-affinity-test:{}", std::process::id());
    let mut image = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let made = output(image.args(["xtask", "image", "--tag", &tag]).current_dir(harness::workspace_root()));
    let layers = docker(&["image", "inspect", "--format", "{{len .RootFS.Layers}}", &tag]);
    docker(&["image", "rm", &tag]);
    assert_eq!(layers, "1");
    assert!(made.ends_with("one layer, /plugin.wasm"), "{made}");
}
