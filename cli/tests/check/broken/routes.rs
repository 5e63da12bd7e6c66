//! Routes.

use super::Case;

pub const CASES: &[Case] = &[
    Case {
        name: "a route that takes its cluster from another header",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[("cluster_header: x-affinity-cluster", "cluster_header: x-cluster")],
        level: "error",
        line: "cluster_header: x-cluster",
        message: "the filter writes the cluster into `x-affinity-cluster`",
        write: "`cluster_header: x-affinity-cluster`",
    },
    Case {
        name: "a filter that writes another header than the routes read",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[(
            "                    sessionAffinity:",
            "                    clusterHeader: x-backend\n                    sessionAffinity:",
        )],
        level: "error",
        line: "cluster_header: x-affinity-cluster",
        message: "the filter writes the cluster into `x-backend`",
        write: "`cluster_header: x-backend`",
    },
    Case {
        name: "a service's route with a fixed cluster",
        file: "envoy/ingress.yaml",
        edited: "envoy/ingress.yaml",
        edits: &[("route: {cluster_header: x-affinity-cluster,", "route: {cluster: service-a-0,")],
        level: "error",
        line: "route: {cluster: service-a-0,",
        message: "the service `service-a` serves the route `service-a`, but the route takes its cluster from `cluster`",
        write: "`cluster_header: x-affinity-cluster` in place of `cluster`",
    },
    Case {
        name: "no route takes its cluster from the filter",
        file: "envoy/envoy.yaml",
        edited: "envoy/envoy.yaml",
        edits: &[("route: {cluster_header: x-affinity-cluster,", "route: {cluster: neg-demo-0,")],
        level: "error",
        line: "route: {cluster: neg-demo-0,",
        message: "the filter's choice has no effect there",
        write: "`cluster_header: x-affinity-cluster` in place of `cluster`",
    },
    Case {
        name: "a route without a timeout",
        file: "envoy/header.yaml",
        edited: "envoy/header.yaml",
        edits: &[("                  timeout: 0s\n", "")],
        level: "warning",
        line: "- name: api",
        message: "has no `timeout`: Envoy ends every response that takes more than 15 seconds",
        write: "`timeout: 0s`",
    },
    Case {
        name: "the filter switched off on a route that takes its cluster from it",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[(
            "                match: {prefix: /}\n",
            "                match: {prefix: /}\n                typed_per_filter_config: {session_affinity: {\"@type\": \
             type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}}\n",
        )],
        level: "error",
        line: "cluster_header: x-affinity-cluster",
        message: "the filter is switched off there: the route answers 503",
        write: "take `disabled: true` away",
    },
    Case {
        name: "a configuration of the filter for a single route",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[(
            "                match: {prefix: /}\n",
            "                match: {prefix: /}\n                typed_per_filter_config: {session_affinity: {\"@type\": \
             type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm, config: {name: session_affinity, \
             failure_policy: FAIL_RELOAD, vm_config: {vm_id: x}, configuration: {\"@type\": \
             type.googleapis.com/google.protobuf.Struct, value: {backends: [stable]}}}}}\n",
        )],
        level: "error",
        line: "typed_per_filter_config: {session_affinity:",
        message: "Envoy's Wasm filter does not support a configuration for a single route",
        write: "a service with `routes: [NAME]`",
    },
    Case {
        name: "weights in the route beside the filter's choice",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[(
            "cluster_header: x-affinity-cluster\n",
            "weighted_clusters: {clusters: [{cluster_header: x-affinity-cluster, weight: 9}, {name: canary, weight: 1}]}\n",
        )],
        level: "warning",
        line: "{name: canary, weight: 1}",
        message: "sends a part of the requests to the cluster `canary`, whatever the filter chooses",
        write: "`cluster_header: x-affinity-cluster` in place of `weighted_clusters`",
    },
];
