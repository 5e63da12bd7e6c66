//! Kubernetes manifests: Envoy configurations in a `ConfigMap` or a `Secret`, and filters of Istio and Envoy Gateway.

use super::envoy::WASM;
use super::file::{At, File, is_manifest};
use super::plugin::Plugin;

/// Who reads a plugin configuration. This determines where its environment and its failure policy are configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Envoy itself.
    Envoy,
    /// Istio, from a `WasmPlugin`.
    Istio,
    /// Envoy Gateway, from an `EnvoyExtensionPolicy`.
    EnvoyGateway,
}

/// A placeholder for secrets whose value is only in Envoy's environment.
const SOME_SECRET: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

impl Kind {
    /// The value of an environment variable of the VM. A placeholder if the files do not contain the value.
    pub fn variable(self, message: At<'_>, name: &str) -> Option<String> {
        if self.is_host_variable(message, name) {
            return Some(SOME_SECRET.to_owned());
        }
        let value = match self {
            Self::Envoy => message
                .at(&["config", "vm_config", "environment_variables", "key_values"])
                .and_then(|values| values.fields().find(|(key, _)| *key == name)),
            Self::Istio => message
                .items_at(&["vmConfig", "env"])
                .find(|variable| variable.text_at(&["name"]) == Some(name))
                .and_then(|variable| Some(("", variable.get("value")?))),
            Self::EnvoyGateway => None,
        };
        value.and_then(|(_, value)| value.text()).map(str::to_owned)
    }

    /// Whether the VM gets the variable from Envoy's own environment.
    pub fn is_host_variable(self, message: At<'_>, name: &str) -> bool {
        let is_it = |variable: At<'_>| variable.text() == Some(name);
        match self {
            Self::Envoy => message
                .items_at(&["config", "vm_config", "environment_variables", "host_env_keys"])
                .any(is_it),
            Self::Istio => message.items_at(&["vmConfig", "env"]).any(|variable| {
                variable.text_at(&["name"]) == Some(name) && variable.text_at(&["valueFrom"]) == Some("HOST")
            }),
            Self::EnvoyGateway => message.items_at(&["env", "hostKeys"]).any(is_it),
        }
    }

    /// What to write so that the VM gets the variable.
    pub fn host_variable(self, name: &str) -> String {
        match self {
            Self::Envoy => format!("`environment_variables: {{host_env_keys: [{name}]}}` in `vm_config`"),
            Self::Istio => format!("`vmConfig: {{env: [{{name: {name}, valueFrom: HOST}}]}}`"),
            Self::EnvoyGateway => format!("`env: {{hostKeys: [{name}]}}` beside `config`"),
        }
    }
}

/// The manifests of a document. A `List` contains several.
pub fn manifests(document: At<'_>) -> Vec<At<'_>> {
    if document.text_at(&["kind"]) == Some("List") {
        return document.items_at(&["items"]).collect();
    }
    vec![document]
}

/// The Envoy configurations in the `ConfigMap`s and `Secret`s of a file.
pub fn embedded_files(file: &File, next_config_map: &mut usize) -> Vec<File> {
    let mut files = Vec::new();
    for manifest in file.documents().filter(|document| is_manifest(document.node)).flat_map(manifests) {
        let data = match manifest.text_at(&["kind"]) {
            Some("ConfigMap") => manifest.get("data"),
            Some("Secret") => manifest.get("stringData"),
            _ => continue,
        };
        *next_config_map += 1;
        for (key, text) in data.into_iter().flat_map(At::fields) {
            let embedded = file.within(text, key, *next_config_map);
            files.extend(embedded.filter(is_envoys));
        }
    }
    files
}

/// Whether a file has an Envoy configuration.
fn is_envoys(file: &File) -> bool {
    file.is_bootstrap() || file.documents().any(|document| document.items_at(&["resources"]).next().is_some())
}

/// The Wasm filters in manifests: of Istio, of Envoy Gateway, and in patches of Envoy's configuration.
pub fn plugins<'a>(manifests: &[At<'a>]) -> Vec<Plugin<'a>> {
    let mut plugins = Vec::new();
    for manifest in manifests {
        let name = manifest.text_at(&["metadata", "name"]).unwrap_or_default();
        let Some(spec) = manifest.get("spec") else { continue };
        match manifest.text_at(&["kind"]) {
            Some("WasmPlugin") => {
                let names = [name, spec.text_at(&["url"]).unwrap_or_default()];
                plugins.push(Plugin::new(spec, Kind::Istio, spec.get("pluginConfig"), &names));
            }
            Some("EnvoyExtensionPolicy") => {
                for wasm in spec.items_at(&["wasm"]) {
                    let url = wasm.text_at(&["code", "image", "url"]);
                    let url = url.or_else(|| wasm.text_at(&["code", "http", "url"]));
                    let names = [wasm.text_at(&["name"]), url].map(Option::unwrap_or_default);
                    let config = wasm.get("config");
                    plugins.push(Plugin::new(wasm, Kind::EnvoyGateway, config, &names));
                }
            }
            Some("EnvoyFilter" | "EnvoyPatchPolicy") => {
                let mut filters = Vec::new();
                manifest.walk(&mut |at| {
                    filters.extend(at.get("typed_config").zip(at.text_at(&["name"])));
                    if let Some((WASM, message)) = at.typed() {
                        let filter = filters
                            .iter()
                            .find(|(config, _)| config.typed().is_some_and(|(_, typed)| typed.is(message)));
                        plugins.push(Plugin::of_envoy(message, filter.map_or("", |(_, name)| name)));
                    }
                });
            }
            _ => {}
        }
    }
    plugins
}
