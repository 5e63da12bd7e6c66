//! Files that are not YAML.

use super::Case;

pub const CASES: &[Case] = &[
    Case {
        name: "the whole list of filters pasted twice",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[("          http_filters:\n", "          http_filters: []\n          http_filters:\n")],
        level: "error",
        line: "          http_filters:",
        message: "the key `http_filters` is there twice, and Envoy uses only one of the two",
        write: "once",
    },
    Case {
        name: "a tab in the indentation",
        file: "envoy/envoy.yaml",
        edited: "envoy/envoy.yaml",
        edits: &[("          use_remote_address", "\tuse_remote_address")],
        level: "error",
        line: "use_remote_address",
        message: "not YAML: tabs disallowed",
        write: "write YAML",
    },
    Case {
        name: "a quote that is never closed",
        file: "envoy/envoy.yaml",
        edited: "envoy/envoy.yaml",
        edits: &[("stat_prefix: ingress", "stat_prefix: \"ingress")],
        level: "error",
        line: "# The client's address is that of its connection.",
        message: "not YAML: invalid indentation in multiline quoted scalar",
        write: "the error may be in an earlier line",
    },
    Case {
        name: "a brace that is never closed",
        file: "envoy/envoy.yaml",
        edited: "envoy/envoy.yaml",
        edits: &[("x-affinity-cluster, timeout: 0s}", "x-affinity-cluster, timeout: 0s")],
        level: "error",
        line: "http_filters:",
        message: "did not find expected ',' or '}'",
        write: "the error may be in an earlier line",
    },
    Case {
        name: "a merge key in the filter's configuration",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[(
            "                    sessionAffinity:\n",
            "                    <<: {logOutcome: true}\n                    sessionAffinity:\n",
        )],
        level: "error",
        line: "                    <<: {logOutcome: true}",
        message: "Envoy does not read the merge key `<<`",
        write: "write the fields out",
    },
    Case {
        name: "a merge key in a cluster",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[("  - name: stable\n", "  - <<: {respect_dns_ttl: true}\n    name: stable\n")],
        level: "error",
        line: "  - <<: {respect_dns_ttl: true}",
        message: "Envoy does not read the merge key `<<`",
        write: "(`common_lb_config: *pods`) is allowed",
    },
];
