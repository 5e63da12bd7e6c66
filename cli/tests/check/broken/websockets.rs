//! Upgraded connections.

use super::Case;

pub const CASES: &[Case] = &[
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
        message: "an open WebSocket does not renew its session",
        write: "write `idleTimeoutSec: 0` (off), or switch",
    },
    Case {
        name: "a short TTL behind WebSockets",
        file: "envoy/failover.yaml",
        edited: "envoy/failover.yaml",
        edits: &[("affinityCookieTtlSec: 3600", "affinityCookieTtlSec: 50")],
        level: "warning",
        line: "affinityCookieTtlSec: 50",
        message: "ends after 50 s",
        write: "write `affinityCookieTtlSec: 0` (until the browser closes), or an hour or more, or switch",
    },
];
