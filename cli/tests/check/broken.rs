//! Small edits of shipped files, each of them a mistake that people make, and what `check` says.

use crate::support::{Copies, check};

/// A mistake, and what is said of it.
struct Case {
    /// What is wrong, as the name of the case.
    name: &'static str,
    /// The file that `check` is given.
    file: &'static str,
    /// The file that is edited.
    edited: &'static str,
    /// Text to replace once, and the new text.
    edits: &'static [(&'static str, &'static str)],
    level: &'static str,
    /// What stands in the line that the diagnostic names.
    line: &'static str,
    /// Part of the message.
    message: &'static str,
    /// Part of what to write.
    write: &'static str,
}

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
const EARLY: &str = "          early_header_mutation_extensions:
          - name: envoy.http.early_header_mutation.header_mutation
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation
              mutations:
              - remove: x-affinity-cluster
              - remove: x-affinity-endpoint
";
const STATEFUL_SESSION: &str = "          - name: envoy.filters.http.stateful_session
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3.StatefulSession
              session_state:
                name: envoy.http.stateful_session.header
                typed_config:
                  \"@type\": type.googleapis.com/envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState
                  name: x-affinity-endpoint
";
const STATEFUL_SESSION_EARLY: &str = "          - name: envoy.filters.http.stateful_session
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3.StatefulSession
              session_state:
                name: envoy.http.stateful_session.header
                typed_config:
                  \"@type\": type.googleapis.com/envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState
                  name: x-affinity-endpoint
          - name: session_affinity
";

const CASES: &[Case] = &[
    // A newcomer's mistakes.
    Case {
        name: "two services of which neither has routes",
        file: "envoy/ingress.yaml",
        edited: "envoy/ingress.yaml",
        edits: &[
            ("                      routes: [service-a]\n", ""),
            ("                      routes: [service-b]\n", ""),
        ],
        level: "error",
        line: "- name: service-b",
        message: "config error at services[1].routes: missing, as is services[0].routes",
        write: "`routes: [api]`",
    },
    Case {
        name: "one service without routes where two were meant",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[(
            "              routes:\n              - name: app\n",
            "              routes:\n              - name: admin\n                match: {prefix: /admin}\n                \
             route: {cluster: stable, timeout: 0s}\n              - name: app\n",
        )],
        level: "warning",
        line: "route: {cluster: stable, timeout: 0s}",
        message: "the service `default` has no `routes` and so serves the route `admin` too",
        write: "`routes: [NAME]`",
    },
    Case {
        name: "a misspelt route",
        file: "envoy/ingress.yaml",
        edited: "envoy/ingress.yaml",
        edits: &[("routes: [api-a]", "routes: [apii]")],
        level: "error",
        line: "routes: [apii]",
        message: "the service `api-a` names the route `apii`, which does not exist",
        write: "write `api-a`",
    },
    Case {
        name: "a route that no service serves since its service names another",
        file: "envoy/ingress.yaml",
        edited: "envoy/ingress.yaml",
        edits: &[("routes: [api-a]", "routes: [apii]")],
        level: "error",
        line: "cluster_header: x-affinity-cluster",
        message: "no service serves the route: the route answers 503",
        write: "add `api-a` to the `routes`",
    },
    Case {
        name: "services that name routes, and routes without names",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[
            ("              - name: app\n                match", "              - match"),
            (
                "                    sessionAffinity:",
                "                    routes: [app]\n                    sessionAffinity:",
            ),
        ],
        level: "error",
        line: "routes: [app]",
        message: "names the route `app`, which does not exist",
        write: "`name: app` at the route",
    },
    Case {
        name: "a backend without a cluster",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[("{cluster: canary, weight: 10}", "{cluster: canray, weight: 10}")],
        level: "error",
        line: "- {cluster: canray, weight: 10}",
        message: "no cluster has the name `canray`",
        write: "write `canary`",
    },
    Case {
        name: "the filter pasted twice",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[(ROUTER, FILTER_AGAIN)],
        level: "error",
        line: "- name: session_affinity",
        message: "the filter stands twice in this connection manager, first in line",
        write: "one filter with `services:",
    },
    Case {
        name: "the whole list of filters pasted twice",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[("          http_filters:\n", "          http_filters: []\n          http_filters:\n")],
        level: "error",
        line: "          http_filters:",
        message: "duplicate mapping key: http_filters",
        write: "once",
    },
    Case {
        name: "the filter after ext_authz, which has the route chosen anew",
        file: "envoy/ingress.yaml",
        edited: "envoy/ingress.yaml",
        edits: &[(REFRESH, EXT_AUTHZ)],
        level: "warning",
        line: "- name: envoy.filters.http.ext_authz",
        message: "`ext_authz` before the filter can have Envoy's route cache cleared",
        write: "directly before `session_affinity`: `{name: envoy.filters.http.header_mutation",
    },
    Case {
        name: "a filter that has the route chosen anew between the refresh and this filter",
        file: "envoy/ingress.yaml",
        edited: "envoy/ingress.yaml",
        edits: &[("          - name: session_affinity\n", EXT_AUTHZ_BEFORE)],
        level: "warning",
        line: "- name: envoy.filters.http.ext_authz",
        message: "by the wrong service",
        write: "header_mutation",
    },
    Case {
        name: "the filter before ext_authz",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[(ROUTER, EXT_AUTHZ_AFTER)],
        level: "warning",
        line: "- name: envoy.filters.http.ext_authz",
        message: "`ext_authz` stands after the filter",
        write: "move `session_affinity` behind `envoy.filters.http.ext_authz`",
    },
    // The configuration itself.
    Case {
        name: "a number as text",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[("affinityCookieTtlSec: 86400", "affinityCookieTtlSec: \"86400\"")],
        level: "error",
        line: "affinityCookieTtlSec: \"86400\"",
        message: "config error at sessionAffinity.affinityCookieTtlSec: wrong type; allowed: an integer from 0 to 1209600",
        write: "an integer from 0 to 1209600",
    },
    Case {
        name: "a misspelt field",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[("                    sessionAffinity:", "                    sessionAfinity:")],
        level: "error",
        line: "                    sessionAfinity:",
        message: "config error at sessionAfinity: unknown field",
        write: "write `sessionAffinity`",
    },
    Case {
        name: "a misspelt word",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[("affinityType: GENERATED_COOKIE", "affinityType: GENERATED_COOKIES")],
        level: "error",
        line: "affinityType: GENERATED_COOKIES",
        message: "unknown value; allowed: NONE, CLIENT_IP",
        write: "`affinityType: GENERATED_COOKIE`",
    },
    Case {
        name: "two services whose cookies have one name",
        file: "envoy/ingress.yaml",
        edited: "envoy/ingress.yaml",
        edits: &[("name: GCLB_B", "name: GCLB")],
        level: "error",
        line: "cookie: {name: GCLB, path: /}",
        message: "duplicate of services[2].sessionAffinity.cookie.name",
        write: "a name of its own for the cookie",
    },
    Case {
        name: "a backend twice",
        file: "envoy/header.yaml",
        edited: "envoy/header.yaml",
        edits: &[("backends: [", "backends: [api-0, ")],
        level: "error",
        line: "backends: [api-0, ",
        message: "duplicate of backends[0]; allowed: each cluster once",
        write: "each cluster once",
    },
    Case {
        name: "a key whose variable the VM does not get",
        file: "envoy/mcp.yaml",
        edited: "envoy/mcp.yaml",
        edits: &[("host_env_keys: [SESSION_AFFINITY_KEY]", "host_env_keys: [AFFINITY_KEY]")],
        level: "error",
        line: "- {id: k1, env: SESSION_AFFINITY_KEY}",
        message: "config error at keys[0].env: not set",
        write: "`environment_variables: {host_env_keys: [SESSION_AFFINITY_KEY]}`",
    },
    Case {
        name: "a key whose variable stands in the file",
        file: "envoy/mcp.yaml",
        edited: "envoy/mcp.yaml",
        edits: &[(
            "host_env_keys: [SESSION_AFFINITY_KEY]",
            "key_values: {SESSION_AFFINITY_KEY: IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSE=}",
        )],
        level: "warning",
        line: "- {id: k1, env: SESSION_AFFINITY_KEY}",
        message: "`/config_dump`",
        write: "host_env_keys",
    },
    // Routes.
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
        name: "a service's route with a cluster of its own",
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
        write: "the mistake may stand in a line before it",
    },
    Case {
        name: "a brace that is never closed",
        file: "envoy/envoy.yaml",
        edited: "envoy/envoy.yaml",
        edits: &[("x-affinity-cluster, timeout: 0s}", "x-affinity-cluster, timeout: 0s")],
        level: "error",
        line: "http_filters:",
        message: "did not find expected ',' or '}'",
        write: "the mistake may stand in a line before it",
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
        name: "a configuration of the filter's own for a route",
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
        message: "Envoy's Wasm filter has no configuration of its own for a route",
        write: "a service with `routes: [NAME]`",
    },
    // Clusters.
    Case {
        name: "a cluster in panic mode",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[("    common_lb_config: {healthy_panic_threshold: {value: 0}}\n", "")],
        level: "warning",
        line: "- name: stable",
        message: "the cluster `stable` has no `healthy_panic_threshold: {value: 0}`",
        write: "`common_lb_config: {healthy_panic_threshold: {value: 0}}`",
    },
    Case {
        name: "a cluster in panic mode below half",
        file: "envoy/endpoints.yaml",
        edited: "envoy/endpoints.yaml",
        edits: &[("healthy_panic_threshold: {value: 0}", "healthy_panic_threshold: {value: 50}")],
        level: "warning",
        line: "healthy_panic_threshold: {value: 50}",
        message: "the cluster `app` has no `healthy_panic_threshold: {value: 0}`",
        write: "{value: 0}",
    },
    Case {
        name: "a member of an aggregate cluster in panic mode",
        file: "envoy/failover.yaml",
        edited: "envoy/failover.yaml",
        edits: &[("      healthy_panic_threshold: {value: 0}\n", "")],
        level: "warning",
        line: "- name: app-0-own",
        message: "the cluster `app-0-own` has no `healthy_panic_threshold",
        write: "{value: 0}",
    },
    Case {
        name: "a connect timeout above the route's timeout",
        file: "envoy/header.yaml",
        edited: "envoy/header.yaml",
        edits: &[
            ("                  timeout: 0s\n", "                  timeout: 3s\n"),
            ("connect_timeout: 1s", "connect_timeout: 4s"),
        ],
        level: "warning",
        line: "connect_timeout: 4s",
        message: "waits 4 s for a connection (`connect_timeout`), and the route `api` ends requests after 3 s",
        write: "`connect_timeout: 1s`",
    },
    Case {
        name: "Envoy's own connect timeout above the route's timeout",
        file: "envoy/header.yaml",
        edited: "envoy/header.yaml",
        edits: &[
            ("                  timeout: 0s\n", "                  timeout: 3s\n"),
            ("    connect_timeout: 1s\n", ""),
        ],
        level: "warning",
        line: "- name: api-0",
        message: "waits 5 s for a connection",
        write: "`connect_timeout: 1s`",
    },
    Case {
        name: "retries with Envoy's limit of three at a time",
        file: "envoy/canary-endpoints.yaml",
        edited: "envoy/canary-endpoints.yaml",
        edits: &[("    circuit_breakers:\n      thresholds: [{max_retries: 1024}]\n", "")],
        level: "warning",
        line: "- name: stable",
        message: "Envoy allows a cluster three retries at a time",
        write: "`circuit_breakers: {thresholds: [{max_retries: 1024}]}`",
    },
    // Headers.
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
    // Endpoints.
    Case {
        name: "a pin of endpoints without stateful_session",
        file: "envoy/endpoints.yaml",
        edited: "envoy/endpoints.yaml",
        edits: &[(STATEFUL_SESSION, "")],
        level: "error",
        line: "pin: ENDPOINT",
        message: "need Envoy's `stateful_session` filter behind this one, and there is none",
        write: "HeaderBasedSessionState, name: x-affinity-endpoint",
    },
    Case {
        name: "stateful_session before the filter",
        file: "envoy/endpoints.yaml",
        edited: "envoy/endpoints.yaml",
        edits: &[(STATEFUL_SESSION, ""), ("          - name: session_affinity\n", STATEFUL_SESSION_EARLY)],
        level: "error",
        line: "- name: envoy.filters.http.stateful_session",
        message: "`stateful_session` stands before the filter",
        write: "move `stateful_session` between the filter and the router",
    },
    Case {
        name: "stateful_session with another header",
        file: "envoy/mcp.yaml",
        edited: "envoy/mcp.yaml",
        edits: &[("                  name: x-affinity-endpoint", "                  name: x-endpoint")],
        level: "error",
        line: "name: x-endpoint",
        message: "`stateful_session` goes by the header `x-endpoint`",
        write: "`name: x-affinity-endpoint`",
    },
    Case {
        name: "stateful_session with a cookie of its own",
        file: "envoy/mcp.yaml",
        edited: "envoy/mcp.yaml",
        edits: &[(
            "stateful_session.header.v3.HeaderBasedSessionState",
            "stateful_session.cookie.v3.CookieBasedSessionState",
        )],
        level: "error",
        line: "CookieBasedSessionState",
        message: "keeps its state elsewhere than in a header",
        write: "HeaderBasedSessionState, name: x-affinity-endpoint",
    },
    Case {
        name: "REJECT without strict",
        file: "envoy/endpoints.yaml",
        edited: "envoy/endpoints.yaml",
        edits: &[(
            "                    pin: ENDPOINT\n",
            "                    pin: ENDPOINT\n                    onUnavailable: REJECT\n",
        )],
        level: "error",
        line: "onUnavailable: REJECT",
        message: "needs `strict: true` in `stateful_session`",
        write: "`strict: true`",
    },
    Case {
        name: "strict without REJECT",
        file: "envoy/endpoints.yaml",
        edited: "envoy/endpoints.yaml",
        edits: &[(
            "              session_state:\n",
            "              strict: true\n              session_state:\n",
        )],
        level: "error",
        line: "strict: true",
        message: "Envoy answers 503 where the service `default` should move the session",
        write: "`onUnavailable: REJECT`",
    },
    Case {
        name: "a pin of endpoints on a route without a cluster",
        file: "envoy/mcp.yaml",
        edited: "envoy/mcp.yaml",
        edits: &[(
            "                  cluster: mcp\n",
            "                  cluster_header: x-affinity-cluster\n",
        )],
        level: "error",
        line: "cluster_header: x-affinity-cluster",
        message: "has `pin: ENDPOINT` and names no cluster",
        write: "`cluster: NAME`",
    },
    Case {
        name: "endpoints of two clusters in one service",
        file: "envoy/mcp.yaml",
        edited: "envoy/mcp.yaml",
        edits: &[(
            "              routes:\n              - name: mcp\n",
            "              routes:\n              - name: admin\n                match: {prefix: /admin}\n                \
             route: {cluster: admin, timeout: 0s}\n              - name: mcp\n",
        )],
        level: "warning",
        line: "cluster: mcp",
        message: "the service `default` pins endpoints of the cluster `admin`, but the route `mcp` goes to another",
        write: "a service of its own for the routes of each cluster",
    },
    Case {
        name: "REJECT with retries",
        file: "envoy/mcp.yaml",
        edited: "envoy/mcp.yaml",
        edits: &[
            (
                "                    pin: ENDPOINT\n",
                "                    pin: ENDPOINT\n                    onUnavailable: REJECT\n",
            ),
            ("              session_state:\n", "              strict: true\n              session_state:\n"),
        ],
        level: "warning",
        line: "retry_on: connect-failure,refused-stream,reset-before-request",
        message: "has a `retry_policy`, but the service `default` rejects",
        write: "take the `retry_policy` away",
    },
    Case {
        name: "a life without sessions",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[("affinityType: GENERATED_COOKIE", "affinityType: CLIENT_IP")],
        level: "warning",
        line: "affinityCookieTtlSec: 86400",
        message: "affinityCookieTtlSec has no effect with affinityType CLIENT_IP",
        write: "`affinityType: GENERATED_COOKIE`",
    },
    // The VM.
    Case {
        name: "FAIL_OPEN",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[("failure_policy: FAIL_RELOAD", "failure_policy: FAIL_OPEN")],
        level: "error",
        line: "failure_policy: FAIL_OPEN",
        message: "does not support FAIL_OPEN",
        write: "`failure_policy: FAIL_RELOAD`",
    },
    Case {
        name: "no failure policy",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[("                failure_policy: FAIL_RELOAD\n", "")],
        level: "warning",
        line: "name: session_affinity",
        message: "Envoy refuses all requests from then on",
        write: "`failure_policy: FAIL_RELOAD`",
    },
    Case {
        name: "an empty id of the VM",
        file: "envoy/canary.yaml",
        edited: "envoy/canary.yaml",
        edits: &[("vm_id: session-affinity", "vm_id: \"\"")],
        level: "warning",
        line: "vm_id: \"\"",
        message: "the `vm_id` is empty",
        write: "`vm_id: session-affinity`",
    },
    // Upgraded connections.
    Case {
        name: "an idle timeout behind WebSockets",
        file: "envoy/websocket.yaml",
        edited: "envoy/websocket.yaml",
        edits: &[(
            "                      affinityCookieTtlSec: 0\n",
            "                      affinityCookieTtlSec: 0\n                      idleTimeoutSec: 600\n",
        )],
        level: "warning",
        line: "idleTimeoutSec: 600",
        message: "an open WebSocket renews nothing",
        write: "`idleTimeoutSec: 0`",
    },
    Case {
        name: "a short life behind WebSockets",
        file: "envoy/failover.yaml",
        edited: "envoy/failover.yaml",
        edits: &[("affinityCookieTtlSec: 3600", "affinityCookieTtlSec: 50")],
        level: "warning",
        line: "affinityCookieTtlSec: 50",
        message: "ends after 50 s",
        write: "`affinityCookieTtlSec: 0`",
    },
    // Files that the given file names.
    Case {
        name: "a backend without a cluster, in two files of their own",
        file: "envoy/live-update.yaml",
        edited: "envoy/live-update/filter.yaml",
        edits: &[("backends: [app-0, app-1, app-2]", "backends: [app-0, app-1, app-4]")],
        level: "error",
        line: "backends: [app-0, app-1, app-4]",
        message: "no cluster has the name `app-4`",
        write: "add a cluster `app-4`",
    },
    Case {
        name: "a configuration error in a file of its own",
        file: "envoy/live-update.yaml",
        edited: "envoy/live-update/filter.yaml",
        edits: &[("affinityCookieTtlSec: 3600", "affinityCookieTtlSec: 1h")],
        level: "error",
        line: "affinityCookieTtlSec: 1h",
        message: "config error at sessionAffinity.affinityCookieTtlSec: wrong type",
        write: "an integer",
    },
    // Manifests.
    Case {
        name: "a key whose variable the VM does not get, in a ConfigMap",
        file: "deploy/kubernetes/ingress.yaml",
        edited: "deploy/kubernetes/ingress.yaml",
        edits: &[(
            "                        - SESSION_AFFINITY_KEY_k1\n",
            "                        - AFFINITY_KEY\n",
        )],
        level: "error",
        line: "- {id: k1, env: SESSION_AFFINITY_KEY_k1}",
        message: "config error at keys[0].env: not set",
        write: "host_env_keys: [SESSION_AFFINITY_KEY_k1]",
    },
    Case {
        name: "retries with Envoy's limit, in a ConfigMap",
        file: "deploy/kubernetes/ingress.yaml",
        edited: "deploy/kubernetes/ingress.yaml",
        edits: &[(
            "          thresholds: [{max_retries: 1024}]\n",
            "          thresholds: [{max_connections: 1024}]\n",
        )],
        level: "warning",
        line: "thresholds: [{max_connections: 1024}]",
        message: "three retries at a time",
        write: "max_retries: 1024",
    },
    Case {
        name: "FAIL_OPEN in Istio",
        file: "deploy/istio/session-affinity.yaml",
        edited: "deploy/istio/session-affinity.yaml",
        edits: &[("failStrategy: FAIL_RELOAD", "failStrategy: FAIL_OPEN")],
        level: "error",
        line: "failStrategy: FAIL_OPEN",
        message: "does not support FAIL_OPEN",
        write: "`failStrategy: FAIL_RELOAD`",
    },
    Case {
        name: "a key whose variable the VM does not get, in Istio",
        file: "deploy/istio/canary.yaml",
        edited: "deploy/istio/canary.yaml",
        edits: &[("{name: SESSION_AFFINITY_KEY, valueFrom: HOST}", "{name: AFFINITY_KEY, valueFrom: HOST}")],
        level: "error",
        line: "- {id: k1, env: SESSION_AFFINITY_KEY}",
        message: "config error at keys[0].env: not set",
        write: "{name: SESSION_AFFINITY_KEY, valueFrom: HOST}",
    },
    Case {
        name: "stateful_session with another header, in Istio",
        file: "deploy/istio/canary.yaml",
        edited: "deploy/istio/canary.yaml",
        edits: &[("              name: x-affinity-endpoint", "              name: x-endpoint")],
        level: "error",
        line: "name: x-endpoint",
        message: "`stateful_session` goes by the header `x-endpoint`",
        write: "`name: x-affinity-endpoint`",
    },
    Case {
        name: "a field of another layer, in Envoy Gateway",
        file: "deploy/envoy-gateway/session-affinity.yaml",
        edited: "deploy/envoy-gateway/session-affinity.yaml",
        edits: &[("        affinityCookieTtlSec: 50\n", "        cookieTtlSec: 50\n")],
        level: "error",
        line: "cookieTtlSec: 50",
        message: "config error at sessionAffinity.cookieTtlSec: unknown field",
        write: "`affinityCookieTtlSec`",
    },
    Case {
        name: "a key whose variable the VM does not get, in Envoy Gateway",
        file: "deploy/envoy-gateway/session-affinity.yaml",
        edited: "deploy/envoy-gateway/session-affinity.yaml",
        edits: &[("    env:\n      hostKeys: [SESSION_AFFINITY_KEY]\n", "")],
        level: "error",
        line: "- {id: k1, env: SESSION_AFFINITY_KEY}",
        message: "config error at keys[0].env: not set",
        write: "hostKeys: [SESSION_AFFINITY_KEY]",
    },
];

#[test]
fn each_mistake_is_told_with_its_file_its_line_and_what_to_write() {
    let mut wrong = Vec::new();
    for case in CASES {
        let copies = Copies::new();
        for (from, to) in case.edits {
            copies.edit(case.edited, from, to);
        }
        let (found, code) = check(copies.path(), &[case.file]);
        let is_said = found.iter().any(|found| {
            found.level == case.level
                && found.file.ends_with(case.edited)
                && copies.line(&found.file, found.line).contains(case.line)
                && found.message.contains(case.message)
                && found.help.as_ref().is_some_and(|help| help.contains(case.write))
        });
        let has_error = found.iter().any(|found| found.level == "error");
        if !is_said || code != i32::from(has_error) {
            let lines: Vec<_> = found
                .iter()
                .map(|found| format!("{found:?}\n    {}", copies.line(&found.file, found.line)))
                .collect();
            wrong.push(format!("{} (exit code {code}):\n  {}", case.name, lines.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
    assert!(CASES.len() >= 30);
}
