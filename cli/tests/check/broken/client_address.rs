//! The address of the client.

use super::Case;

pub const CASES: &[Case] = &[Case {
    name: "CLIENT_IP with an address that clients can choose",
    file: "envoy/ingress.yaml",
    edited: "envoy/ingress.yaml",
    edits: &[("          use_remote_address: true\n", "")],
    level: "warning",
    line: "stat_prefix: ingress",
    message: "clients can choose their backend with a header `X-Forwarded-For`",
    write: "`use_remote_address: true`",
}];
