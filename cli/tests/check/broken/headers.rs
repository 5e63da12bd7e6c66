//! The headers between the filter and Envoy.

use super::Case;

const EARLY: &str = "          early_header_mutation_extensions:
          - name: envoy.http.early_header_mutation.header_mutation
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation
              mutations:
              - remove: x-affinity-cluster
              - remove: x-affinity-endpoint
";

pub const CASES: &[Case] = &[
    Case {
        name: "no early removal of the headers",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[(EARLY, "")],
        level: "warning",
        line: "stat_prefix: ingress",
        message: "clients can write the header `x-affinity-cluster`",
        write: "early_header_mutation_extensions",
    },
    Case {
        name: "early removal of one header alone",
        file: "envoy/endpoints.yaml",
        edited: "envoy/endpoints.yaml",
        edits: &[("              - remove: x-affinity-endpoint\n", "")],
        level: "warning",
        line: "- name: envoy.http.early_header_mutation.header_mutation",
        message: "clients can write the header `x-affinity-endpoint`",
        write: "`- remove: x-affinity-endpoint`",
    },
];
