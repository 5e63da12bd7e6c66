//! Pins of endpoints.

use super::Case;

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

pub const CASES: &[Case] = &[
    Case {
        name: "a pin of endpoints without stateful_session",
        file: "envoy/endpoints.yaml",
        edited: "envoy/endpoints.yaml",
        edits: &[(STATEFUL_SESSION, "")],
        level: "error",
        line: "pin: ENDPOINT",
        message: "needs Envoy's `stateful_session` filter after this filter, but there is none",
        write: "HeaderBasedSessionState, name: x-affinity-endpoint",
    },
    Case {
        name: "stateful_session that is switched off",
        file: "envoy/endpoints.yaml",
        edited: "envoy/endpoints.yaml",
        edits: &[(
            "          - name: envoy.filters.http.stateful_session\n",
            "          - name: envoy.filters.http.stateful_session\n            disabled: true\n",
        )],
        level: "error",
        line: "pin: ENDPOINT",
        message: "needs Envoy's `stateful_session` filter after this filter, but there is none",
        write: "write between this filter and the router",
    },
    Case {
        name: "stateful_session before the filter",
        file: "envoy/endpoints.yaml",
        edited: "envoy/endpoints.yaml",
        edits: &[(STATEFUL_SESSION, ""), ("          - name: session_affinity\n", STATEFUL_SESSION_EARLY)],
        level: "error",
        line: "- name: envoy.filters.http.stateful_session",
        message: "`stateful_session` comes before the filter",
        write: "move `stateful_session` between the filter and the router",
    },
    Case {
        name: "stateful_session with another header",
        file: "envoy/mcp.yaml",
        edited: "envoy/mcp.yaml",
        edits: &[("                  name: x-affinity-endpoint", "                  name: x-endpoint")],
        level: "error",
        line: "name: x-endpoint",
        message: "`stateful_session` uses the header `x-endpoint`",
        write: "`name: x-affinity-endpoint`",
    },
    Case {
        name: "stateful_session with a cookie",
        file: "envoy/mcp.yaml",
        edited: "envoy/mcp.yaml",
        edits: &[(
            "stateful_session.header.v3.HeaderBasedSessionState",
            "stateful_session.cookie.v3.CookieBasedSessionState",
        )],
        level: "error",
        line: "CookieBasedSessionState",
        message: "does not keep its state in a header",
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
        message: "Envoy answers 503, but the service `default` should move the session",
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
        write: "a separate service for the routes of each cluster",
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
        message: "has a `retry_policy`, but the service `default` has `onUnavailable: REJECT`",
        write: "take the `retry_policy` away",
    },
];
