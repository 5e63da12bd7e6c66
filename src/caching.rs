//! Keeping a response that carries a token out of shared caches, where another client would be handed the
//! session (RFC 9111, section 5.2.2; RFC 9213 for targeted fields).

/// Header fields that speak to shared caches alone and go from such a response.
pub const SHARED_CACHE_FIELDS: [&str; 2] = ["surrogate-control", "cdn-cache-control"];

/// The `Cache-Control` a response needs so that no shared cache keeps it, made from the lines it has: `public`
/// and `s-maxage` go, `private` comes unless `no-store` is there. `None` where it says so already.
#[must_use]
pub fn uncacheable_by_shared_caches(lines: &[&[u8]]) -> Option<Vec<u8>> {
    if lines.is_empty() {
        return Some(b"private".to_vec());
    }
    let directives: Vec<&[u8]> = lines.iter().flat_map(|line| directives(line)).collect();
    let is = |directive: &&[u8], name: &str| directive.eq_ignore_ascii_case(name.as_bytes());
    let mut kept: Vec<&[u8]> = directives
        .iter()
        .copied()
        .filter(|directive| {
            let name = directive.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
            !is(&name, "public") && !is(&name, "s-maxage")
        })
        .collect();
    let safe = kept.iter().any(|directive| is(directive, "private") || is(directive, "no-store"));
    if safe && kept.len() == directives.len() {
        return None;
    }
    if !safe {
        // First, where no quote that is never closed can take it in.
        kept.insert(0, b"private");
    }
    Some(kept.join(b", ".as_slice()))
}

/// Splits a field's value at its commas, those within quoted strings aside.
fn directives(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    line.split(move |byte| {
        match (*byte, quoted, escaped) {
            (_, true, true) => escaped = false,
            (b'\\', true, false) => escaped = true,
            (b'"', _, _) => quoted = !quoted,
            _ => {}
        }
        *byte == b',' && !quoted
    })
    .map(<[u8]>::trim_ascii)
    .filter(|directive| !directive.is_empty())
}
