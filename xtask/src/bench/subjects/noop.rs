//! A Wasm filter that does nothing: what is left is the price of calling into a VM at all.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{Behaviour, Kind, NOOP, Subject, clusters};
use crate::bench::backends::Backends;

/// What Envoy calls for each stream of a filter that looks at requests and responses, and no more.
const MODULE: &str = r#"(module
  (memory (export "memory") 16)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) i32.const 1024)
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) i32.const 0)
  (func (export "proxy_on_delete") (param i32)))"#;

/// The subject. Its module is made here.
pub fn noop(backends: &Backends) -> Result<Subject> {
    let bootstrap = clusters(backends)
        .filter(&json!({}))
        .module(module()?)
        .route(json!({ "name": "app", "match": { "prefix": "/" }, "route": { "cluster": "backend-0" } }));
    Ok(Subject::new(NOOP, Kind::Other, bootstrap, Behaviour::Stranger).quick())
}

fn module() -> Result<PathBuf> {
    let path = harness::workspace_root().join("target/bench/noop.wasm");
    std::fs::create_dir_all(path.with_file_name(""))?;
    let bytes = wat::parse_str(MODULE).context("the no-op module")?;
    harness::xds::write(&path, bytes)?;
    Ok(path)
}
