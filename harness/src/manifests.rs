//! `deploy/kubernetes`: the chart, rendered with its defaults.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::helm::Chart;

/// The name of the release, which is the name of the Ingress in the GKE example.
pub const RELEASE: &str = "neg-demo-ing";

const HEADER: &str =
    "# Made from deploy/helm/session-affinity by `cargo xtask manifests`. Change the chart, not this file.\n";

/// A file: its name, its first lines, its values, and its templates.
struct File {
    name: &'static str,
    about: &'static str,
    module: &'static str,
    templates: &'static [&'static str],
}

const FILES: [File; 3] = [
    File {
        name: "ingress.yaml",
        about: "# Replaces the Ingress and the BackendConfig of the GKE example: Envoy's address and its\n\
                # configuration. Envoy itself is in envoy.yaml, or in envoy-init-container.yaml.\n\
                # After a change of the ConfigMap: kubectl rollout restart deployment/neg-demo-ing\n",
        module: "image-volume",
        templates: &["service.yaml", "stats-service.yaml", "disruption-budget.yaml", "configmap.yaml"],
    },
    File {
        name: "envoy.yaml",
        about: "# Envoy, with the module from an image volume: on by default from Kubernetes 1.35 (feature gate\n\
                # ImageVolume from 1.31), with containerd 2.1 or CRI-O 1.31 and later. Elsewhere use\n\
                # envoy-init-container.yaml in place of this file.\n",
        module: "image-volume",
        templates: &["deployment.yaml"],
    },
    File {
        name: "envoy-init-container.yaml",
        about: "# Envoy, with the module copied by an init container: for every Kubernetes. Replaces envoy.yaml.\n",
        module: "init-container",
        templates: &["deployment.yaml"],
    },
];

/// The expected contents of the files in `deploy/kubernetes` that come from the chart, by path.
///
/// # Errors
/// If the chart cannot be rendered.
pub fn rendered() -> Result<BTreeMap<PathBuf, String>> {
    let directory = crate::workspace_root().join("deploy/kubernetes");
    let mut files = BTreeMap::new();
    for file in FILES {
        let values: Value = json!({ "module": { "source": file.module } });
        let rendered = Chart::shipped().render(&values, RELEASE, "default")?;
        let mut documents = Vec::new();
        for template in file.templates {
            let text = rendered.get(*template).with_context(|| format!("the chart renders no {template}"))?;
            documents.push(tidy(text));
        }
        files.insert(directory.join(file.name), format!("{HEADER}{}{}", file.about, documents.join("---\n")));
    }
    Ok(files)
}

/// Writes these files, and returns those that changed.
///
/// # Errors
/// If the chart cannot be rendered or a file cannot be written.
pub fn write() -> Result<Vec<PathBuf>> {
    let mut changed = Vec::new();
    for (path, text) in rendered()? {
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        changed.push(path);
    }
    Ok(changed)
}

/// The text without spaces at the ends of lines, and without empty lines around it.
fn tidy(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}
