//! Large files.

use std::fmt::Write as _;
use std::fs;

use crate::support::{TEXT, bootstrap, check};

const CONFIGURATION: &str =
    r#"'{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"backends":["shop-0"]}'"#;

/// The diagnostics of a bootstrap with this text at its end.
fn messages(end: &str) -> Vec<(String, Option<String>)> {
    let directory = tempfile::tempdir().unwrap();
    let text = bootstrap(&format!("{TEXT}{CONFIGURATION}")) + end;
    fs::write(directory.path().join("envoy.yaml"), text).unwrap();
    let (found, _) = check(directory.path(), &["envoy.yaml"]);
    found.into_iter().map(|found| (found.message, found.help)).collect()
}

#[test]
fn a_bootstrap_with_8000_clusters_and_as_many_aliases_is_checked() {
    let mut clusters =
        "  - {name: all, common_lb_config: &pods {healthy_panic_threshold: {value: 0}}}\n".to_owned();
    for number in 1..8000 {
        let endpoint = format!(
            "{{endpoint: {{address: {{socket_address: {{address: 10.0.0.1, port_value: {number}}}}}}}}}"
        );
        writeln!(
            clusters,
            "  - {{name: other-{number}, connect_timeout: 1s, type: STATIC, common_lb_config: *pods, load_assignment: \
             {{cluster_name: other-{number}, endpoints: [{{lb_endpoints: [{endpoint}, {endpoint}]}}]}}}}"
        )
        .unwrap();
    }
    assert_eq!(messages(&clusters), []);
}

#[test]
fn a_file_that_is_too_deeply_nested_is_an_error_that_says_so() {
    let nested = format!("    metadata: {}{}\n", "[".repeat(200), "]".repeat(200));
    let found = messages(&nested);
    let [(message, help)] = &*found else { panic!("{found:#?}") };
    assert_eq!(message, "the file is too large or too deeply nested for this command");
    assert_eq!(help.as_deref(), Some("give the part with the filter in a file of its own"));
}
