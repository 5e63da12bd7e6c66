//! The order of the filters.

use super::Case;

const FILTER_AGAIN: &str = "          - name: session_affinity
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: session_affinity
                failure_policy: FAIL_RELOAD
                vm_config:
                  vm_id: session-affinity
                  runtime: envoy.wasm.runtime.v8
                  code: {local: {filename: /etc/envoy/session_affinity.wasm}}
                configuration:
                  \"@type\": type.googleapis.com/google.protobuf.Struct
                  value:
                    sessionAffinity: {affinityType: GENERATED_COOKIE}
                    backends: [stable, canary]
          - name: envoy.filters.http.router
";
const ROUTER: &str = "          - name: envoy.filters.http.router\n";
const EXT_AUTHZ: &str = "          - name: envoy.filters.http.ext_authz
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              clear_route_cache: true
              grpc_service: {envoy_grpc: {cluster_name: authz}}
";
const EXT_AUTHZ_BEFORE: &str = "          - name: envoy.filters.http.ext_authz
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              clear_route_cache: true
              grpc_service: {envoy_grpc: {cluster_name: authz}}
          - name: session_affinity
";
const EXT_AUTHZ_AFTER: &str = "          - name: envoy.filters.http.ext_authz
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              grpc_service: {envoy_grpc: {cluster_name: authz}}
          - name: envoy.filters.http.router
";
const REFRESH: &str = "          - name: envoy.filters.http.header_mutation
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
              mutations:
                request_mutations:
                - remove: x-affinity-cluster
                - remove: x-affinity-endpoint
";

pub const CASES: &[Case] = &[
    Case {
        name: "the filter pasted twice",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[(ROUTER, FILTER_AGAIN)],
        level: "error",
        line: "- name: session_affinity",
        message: "the filter is twice in this connection manager, first at envoy/canary.yaml:",
        write: "one filter with `services:",
    },
    Case {
        name: "the filter after ext_authz, which clears the route cache",
        file: "envoy/ingress.yaml",
        edited: "envoy/ingress.yaml",
        edits: &[(REFRESH, EXT_AUTHZ)],
        level: "warning",
        line: "- name: envoy.filters.http.ext_authz",
        message: "`ext_authz` before the filter can have Envoy's route cache cleared",
        write: "directly before `session_affinity`: `{name: envoy.filters.http.header_mutation",
    },
    Case {
        name: "a filter that clears the route cache between header_mutation and this filter",
        file: "envoy/ingress.yaml",
        edited: "envoy/ingress.yaml",
        edits: &[("          - name: session_affinity\n", EXT_AUTHZ_BEFORE)],
        level: "warning",
        line: "- name: envoy.filters.http.ext_authz",
        message: "perhaps the wrong service",
        write: "header_mutation",
    },
    Case {
        name: "the filter before ext_authz",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[(ROUTER, EXT_AUTHZ_AFTER)],
        level: "warning",
        line: "- name: envoy.filters.http.ext_authz",
        message: "`ext_authz` comes after the filter",
        write: "move `session_affinity` behind `envoy.filters.http.ext_authz`",
    },
];
