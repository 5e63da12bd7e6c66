//! Wasm filters that do nothing of their own: what is left is the price of calling into a VM, and back out of it.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{Behaviour, FLOOR, Kind, NOOP, Subject, clusters};
use crate::bench::backends::Backends;

/// What Envoy calls for each stream of a filter that looks at requests and responses, and no more.
const NOOP_MODULE: &str = r#"(module
  (memory (export "memory") 16)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) i32.const 1024)
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) i32.const 0))"#;

/// The same, reading one header and setting another.
const FLOOR_MODULE: &str = r#"(module
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $set (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 16)
  (data (i32.const 0) "cookie")
  (data (i32.const 8) "x-affinity-cluster")
  (data (i32.const 32) "backend-0")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) i32.const 1024)
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $get (i32.const 0) (i32.const 0) (i32.const 6) (i32.const 64) (i32.const 68)))
    (drop (call $set (i32.const 0) (i32.const 8) (i32.const 18) (i32.const 32) (i32.const 9)))
    i32.const 0)
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) i32.const 0))"#;

/// A cookie as long as ours with keys.
const COOKIE: &str = "GCLB=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The subject that does nothing. Its module is made here.
pub fn noop(backends: &Backends) -> Result<Subject> {
    let bootstrap = clusters(backends)
        .filter(&json!({}))
        .module(module("noop.wasm", NOOP_MODULE)?)
        .route(json!({ "name": "app", "match": { "prefix": "/" }, "route": { "cluster": "backend-0" } }));
    Ok(Subject::new(NOOP, Kind::Other, bootstrap, Behaviour::Stranger).quick())
}

/// The subject that reads and sets a header: no Wasm filter with such a cookie can cost less.
pub fn floor(backends: &Backends) -> Result<Subject> {
    let bootstrap = clusters(backends).filter(&json!({})).module(module("floor.wasm", FLOOR_MODULE)?);
    Ok(Subject::new(FLOOR, Kind::Other, bootstrap, Behaviour::Cookie(COOKIE)).quick())
}

fn module(name: &str, text: &str) -> Result<PathBuf> {
    let path = harness::workspace_root().join("target/bench").join(name);
    std::fs::create_dir_all(path.with_file_name(""))?;
    let bytes = wat::parse_str(text).with_context(|| format!("the module {name}"))?;
    harness::xds::write(&path, bytes)?;
    Ok(path)
}
