//! Removes exports from the linked module.
//!
//! Envoy calls every callback that the module exports, for every request. A callback that does nothing still costs
//! about 2,000 instructions. No linker flag leaves out single exports.

use anyhow::{Context as _, Result};
use walrus::{ModuleConfig, passes};

/// The exports that stay.
const NEEDED: [&str; 11] = [
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
    "proxy_on_delete",
];

/// The module without other exports, and without code that only those exports use.
pub fn keep_needed(module: &[u8]) -> Result<Vec<u8>> {
    let mut module = ModuleConfig::new()
        .generate_producers_section(false)
        .generate_name_section(false)
        .parse(module)
        .context("the linked module cannot be read")?;
    let unneeded: Vec<_> = module
        .exports
        .iter()
        .filter(|export| !NEEDED.contains(&export.name.as_str()))
        .map(walrus::Export::id)
        .collect();
    for export in unneeded {
        module.exports.delete(export);
    }
    passes::gc::run(&mut module);
    Ok(module.emit_wasm())
}
