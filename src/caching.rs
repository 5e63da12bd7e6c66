//! Keeping a response that carries a token out of shared caches, where another client would be handed the
//! session (RFC 9111, section 5.2.2; RFC 9213 for targeted fields).

/// Header fields that speak to shared caches alone and go from such a response.
pub const SHARED_CACHE_FIELDS: [&str; 2] = ["surrogate-control", "cdn-cache-control"];

/// The `Cache-Control` a response needs so that no shared cache keeps it, made from the lines it has: `public`
/// and `s-maxage` go, `private` comes unless `no-store` is there. `None` where it says so already.
#[must_use]
pub fn uncacheable_by_shared_caches(lines: &[&[u8]]) -> Option<Vec<u8>> {
    let mut kept = Vec::new();
    let (mut safe, mut unchanged) = (false, true);
    for directive in lines.iter().flat_map(|line| directives(line)) {
        let name = directive.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        if is(name, "public") || is(name, "s-maxage") {
            unchanged = false;
            continue;
        }
        safe |= is(directive, "private") || is(directive, "no-store");
        append(&mut kept, directive);
    }
    if safe {
        return (!unchanged).then_some(kept);
    }
    // First, where no quote that is never closed can take it in.
    let mut value = b"private".to_vec();
    if !kept.is_empty() {
        append(&mut value, &kept);
    }
    Some(value)
}

#[inline(never)]
fn is(directive: &[u8], name: &str) -> bool {
    directive.eq_ignore_ascii_case(name.as_bytes())
}

#[inline(never)]
fn append(value: &mut Vec<u8>, directive: &[u8]) {
    if !value.is_empty() {
        value.extend_from_slice(b", ");
    }
    value.extend_from_slice(directive);
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
