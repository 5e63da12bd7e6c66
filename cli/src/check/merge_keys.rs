//! YAML's merge keys, which Envoy does not read.

use std::sync::Arc;

use session_affinity::config::ConfigError;

use super::file::At;
use super::report::Report;
use crate::diagnostic::Level;
use crate::source::Place;

/// The key whose value YAML 1.1 merges into the mapping.
pub const MERGE_KEY: &str = "<<";

/// Whether the filter refuses a merge key, which is an unknown field for the filter.
pub fn is_cause(error: &ConfigError) -> bool {
    let given = error.problem().rsplit_once("; given: ").map(|(_, given)| given.trim_matches('"'));
    error.problem().starts_with("unknown field") && given == Some(MERGE_KEY)
}

/// Reports each merge key of a document for Envoy.
pub fn check(document: At<'_>, report: &mut Report) {
    document.walk(&mut |at| {
        for (key, _) in at.node.fields().iter().filter(|(key, _)| key.name == MERGE_KEY) {
            let source = Arc::clone(&at.file.source);
            let place = Place { source, span: key.defined.clone(), field: String::new() };
            let message = format!("Envoy does not read the merge key `{MERGE_KEY}`");
            let help =
                "write the fields out; an alias for a whole value (`common_lb_config: *pods`) is allowed";
            report.add(Level::Error, place, message, help);
        }
    });
}
