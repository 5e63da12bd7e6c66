//! Takes out of the linked module what Envoy need not see.
//!
//! Envoy calls every callback of the ABI that a module exports, for every stream, and each call costs about 2,000
//! instructions. So nothing may be exported by accident, be it by the linker or by a dependency.

use anyhow::{Context as _, Result};
use walrus::{ModuleConfig, passes};

/// What stays: what `src/exports.rs` declares.
const EXPORTS: [&str; 10] = [
    "memory",
    "malloc",
    "_initialize",
    "proxy_abi_version_0_2_1",
    "proxy_on_context_create",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_request_headers",
    "proxy_on_response_headers",
    "proxy_on_http_call_response",
];

/// The module without the other exports and all that only they need.
pub fn strip(module: &[u8]) -> Result<Vec<u8>> {
    let mut module = ModuleConfig::new()
        .generate_producers_section(false)
        .generate_name_section(false)
        .parse(module)
        .context("the linked module cannot be read")?;
    let unneeded: Vec<_> = module
        .exports
        .iter()
        .filter(|export| !EXPORTS.contains(&export.name.as_str()))
        .map(walrus::Export::id)
        .collect();
    for export in unneeded {
        module.exports.delete(export);
    }
    passes::gc::run(&mut module);
    Ok(module.emit_wasm())
}
