//! The help says what to write: names that are free, and whole fields.

use crate::support::{Copies, check};

/// The help of each diagnostic of a shipped file with this change.
fn helps(file: &str, from: &str, to: &str) -> Vec<String> {
    let copies = Copies::new();
    copies.edit(file, from, to);
    let (found, _) = check(copies.path(), &[file]);
    found.into_iter().filter_map(|found| found.help).collect()
}

#[test]
fn a_cluster_that_the_service_has_already_is_not_suggested() {
    let helps = helps("envoy/header.yaml", "[api-0, api-1, api-2]", "[api-0, api-1, api-2, api-3]");
    assert_eq!(helps, ["add a cluster `api-3`"]);
}

#[test]
fn the_only_cluster_that_is_left_is_suggested_whatever_its_name_is() {
    let helps = helps("envoy/header.yaml", "  - name: api-1\n", "  - name: sessions\n");
    assert_eq!(helps, ["write `sessions`, or add a cluster `api-1`"]);
}

#[test]
fn a_route_of_another_service_is_not_suggested() {
    let from = "              - name: api-b\n                match";
    let helps = helps("envoy/ingress.yaml", from, "              - match");
    let expected = [
        "write `name: api-b` at the route if the service `api-b` serves it",
        "write `name: api-b` at the route that the service serves",
    ];
    assert_eq!(helps, expected);
}

#[test]
fn keys_in_a_wrong_form_are_shown_in_the_right_form() {
    let backends = "backends: [api-0, api-1, api-2]";
    for (keys, expected) in [
        ("SESSION_KEY", "write `keys: [{id: k1, env: SESSION_AFFINITY_KEY}]`"),
        ("{id: k1, env: SESSION_KEY}", "write `keys: [{id: k1, env: SESSION_AFFINITY_KEY}]`"),
        ("[{id: 1, env: SESSION_KEY}]", "write `id: k1`"),
        ("[SESSION_KEY]", "write `{id: k1, env: SESSION_AFFINITY_KEY}`"),
    ] {
        let to = format!("keys: {keys}\n                    {backends}");
        assert_eq!(helps("envoy/header.yaml", backends, &to), [expected], "{keys}");
    }
}
