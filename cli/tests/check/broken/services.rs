//! Services and the routes that they name.

use super::Case;

pub const CASES: &[Case] = &[
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
        message: "config error at services[1].routes: missing, and services[0].routes is missing too",
        write: "`routes: [api]`",
    },
    Case {
        name: "one service without routes in place of two",
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
        name: "a route without a service, because the service names another route",
        file: "envoy/ingress.yaml",
        edited: "envoy/ingress.yaml",
        edits: &[("routes: [api-a]", "routes: [apii]")],
        level: "error",
        line: "cluster_header: x-affinity-cluster",
        message: "no service serves the route: the route answers 503",
        write: "write `api-a` in place of `apii` in the `routes` of the service `api-a`",
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
        name: "a route that lost its name, beside routes of other services",
        file: "envoy/ingress.yaml",
        edited: "envoy/ingress.yaml",
        edits: &[("              - name: api-b\n                match", "              - match")],
        level: "error",
        line: "routes: [api-b]",
        message: "the service `api-b` names the route `api-b`, which does not exist",
        write: "write `name: api-b` at the route that the service serves",
    },
    Case {
        name: "a route without a name that a service serves",
        file: "envoy/ingress.yaml",
        edited: "envoy/ingress.yaml",
        edits: &[("              - name: api-b\n                match", "              - match")],
        level: "error",
        line: "cluster_header: x-affinity-cluster",
        message: "the route without a name takes its cluster from `x-affinity-cluster`, but no service serves",
        write: "write `name: api-b` at the route if the service `api-b` serves it",
    },
    Case {
        name: "a route with a new name",
        file: "envoy/ingress.yaml",
        edited: "envoy/ingress.yaml",
        edits: &[("              - name: api-b\n", "              - name: orders\n")],
        level: "error",
        line: "routes: [api-b]",
        message: "the service `api-b` names the route `api-b`, which does not exist",
        write: "write `orders`, or `name: api-b` at the route that the service serves",
    },
];
