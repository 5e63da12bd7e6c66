//! Files that the given file names.

use super::Case;

pub const CASES: &[Case] = &[
    Case {
        name: "a backend without a cluster, in two separate files",
        file: "envoy/live-update.yaml",
        edited: "envoy/live-update/filter.yaml",
        edits: &[("backends: [app-0, app-1, app-2]", "backends: [app-0, app-1, app-4]")],
        level: "error",
        line: "backends: [app-0, app-1, app-4]",
        message: "no cluster has the name `app-4`",
        write: "add a cluster `app-4`",
    },
    Case {
        name: "a configuration error in a separate file",
        file: "envoy/live-update.yaml",
        edited: "envoy/live-update/filter.yaml",
        edits: &[("affinityCookieTtlSec: 3600", "affinityCookieTtlSec: 1h")],
        level: "error",
        line: "affinityCookieTtlSec: 1h",
        message: "config error at sessionAffinity.affinityCookieTtlSec: wrong type",
        write: "an integer",
    },
];
