//! The VM and its keys.

use super::Case;

pub const CASES: &[Case] = &[
    Case {
        name: "a key in place of the name of its variable",
        file: "envoy/mcp.yaml",
        edited: "envoy/mcp.yaml",
        edits: &[(
            "host_env_keys: [SESSION_AFFINITY_KEY]",
            "host_env_keys: [{id: k1, env: SESSION_AFFINITY_KEY}]",
        )],
        level: "error",
        line: "host_env_keys: [{id: k1, env: SESSION_AFFINITY_KEY}]",
        message: "it is not the name of a variable",
        write: "`host_env_keys: [SESSION_AFFINITY_KEY]`",
    },
    Case {
        name: "a key whose variable is not passed to the VM",
        file: "envoy/mcp.yaml",
        edited: "envoy/mcp.yaml",
        edits: &[("host_env_keys: [SESSION_AFFINITY_KEY]", "host_env_keys: [AFFINITY_KEY]")],
        level: "error",
        line: "- {id: k1, env: SESSION_AFFINITY_KEY}",
        message: "config error at keys[0].env: not set",
        write: "`environment_variables: {host_env_keys: [SESSION_AFFINITY_KEY]}`",
    },
    Case {
        name: "a key whose variable is set in the file",
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
];
