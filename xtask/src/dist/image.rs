//! The image of the module, as an OCI image layout (<https://github.com/opencontainers/image-spec>).
//!
//! The image is like that of `FROM scratch` and one `COPY`: one layer, in which `plugin.wasm` is the module. Istio and
//! Envoy Gateway read the module from that layer, and an image volume mounts the layer. The image exists for both
//! platforms of Kubernetes nodes, because containerd refuses an image of another platform. The image contains no
//! timestamps, so the same module always gives the same image.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};

use super::VERSION;
use super::checksum::sha256;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The platforms of nodes. The module is the same for all.
const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// Writes the layout of the module's image. Returns the digest of the image.
pub fn write(directory: &Path, module: &[u8]) -> Result<String> {
    let layout = Layout { directory };
    fs::create_dir_all(directory.join("blobs/sha256"))
        .with_context(|| format!("creating {}", directory.display()))?;
    let tar = archive(module)?;
    let layer = layout.blob(LAYER, &compress(&tar)?)?;
    let manifests = ARCHITECTURES.map(|architecture| {
        let config = layout.json_blob(
            CONFIG,
            &json!({
                "architecture": architecture,
                "os": "linux",
                "config": { "Labels": labels() },
                "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", sha256(&tar))] },
                "history": [{ "created_by": "COPY session_affinity.wasm /plugin.wasm" }],
            }),
        )?;
        let mut manifest = layout.json_blob(
            MANIFEST,
            &json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": config,
                "layers": [layer],
                "annotations": labels(),
            }),
        )?;
        manifest["platform"] = json!({ "architecture": architecture, "os": "linux" });
        anyhow::Ok(manifest)
    });
    let manifests = manifests.into_iter().collect::<Result<Vec<_>>>()?;
    let mut index = layout.json_blob(
        INDEX,
        &json!({
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": manifests,
            "annotations": labels(),
        }),
    )?;
    let digest = index["digest"].as_str().unwrap_or_default().to_owned();
    index["annotations"] = json!({ "org.opencontainers.image.ref.name": VERSION });
    layout.file("index.json", &json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [index] }))?;
    layout.file("oci-layout", &json!({ "imageLayoutVersion": "1.0.0" }))?;
    Ok(digest)
}

fn labels() -> Value {
    json!({
        "org.opencontainers.image.title": "session-affinity",
        "org.opencontainers.image.description": "A proxy-wasm filter that gives any Envoy session affinity",
        "org.opencontainers.image.version": VERSION,
        "org.opencontainers.image.licenses": "Apache-2.0",
    })
}

/// The tar archive of the layer.
fn archive(module: &[u8]) -> Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(u64::try_from(module.len())?);
    header.set_mode(0o644);
    header.set_mtime(0);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, "plugin.wasm", module)?;
    Ok(archive.into_inner()?)
}

/// Compresses the bytes, without a timestamp and a file name.
fn compress(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

struct Layout<'a> {
    directory: &'a Path,
}

impl Layout<'_> {
    /// Writes a blob. Returns its descriptor.
    fn blob(&self, media_type: &str, bytes: &[u8]) -> Result<Value> {
        let digest = sha256(bytes);
        let path = self.directory.join("blobs/sha256").join(&digest);
        fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
        Ok(json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len() }))
    }

    fn json_blob(&self, media_type: &str, value: &Value) -> Result<Value> {
        self.blob(media_type, value.to_string().as_bytes())
    }

    fn file(&self, name: &str, value: &Value) -> Result<()> {
        let path = self.directory.join(name);
        fs::write(&path, value.to_string()).with_context(|| format!("writing {}", path.display()))
    }
}
