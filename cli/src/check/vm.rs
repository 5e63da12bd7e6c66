//! The VM that runs the filter: its failure policy, its `vm_id`, and its secrets.

use super::file::At;
use super::manifests::Kind;
use super::plugin::Plugin;
use super::report::Report;
use crate::diagnostic::Level;
use crate::yaml::Node;

/// Reports a failure policy, a `vm_id` or an environment that does not work well with the filter.
pub fn check(plugin: &Plugin<'_>, report: &mut Report) {
    match plugin.kind {
        Kind::Envoy => {
            failure_policy(plugin, report);
            vm_id(plugin, report);
            variables(plugin, report);
        }
        Kind::Istio => fail_strategy(plugin, report),
        Kind::EnvoyGateway => {
            if let Some(fail_open) = plugin.message.get("failOpen").filter(|value| value.is_true()) {
                let message = "the filter does not support `failOpen`: requests would pass without affinity";
                report.error(fail_open, message, "write `failOpen: false`");
            }
        }
    }
    shown_secrets(plugin, report);
}

const FAIL_OPEN: &str = "the filter does not support FAIL_OPEN: after a failure of its VM, requests would pass \
    without the filter, and clients could write the filter's headers";
const FAIL_CLOSED: &str = "after a failure of the filter's VM, Envoy refuses all requests from then on";
const RELOAD: &str = "write `failure_policy: FAIL_RELOAD`: Envoy then loads the VM again";

fn failure_policy(plugin: &Plugin<'_>, report: &mut Report) {
    let Some(config) = plugin.message.get("config") else { return };
    if let Some(fail_open) = config.get("fail_open").filter(|value| value.is_true()) {
        return report.error(fail_open, FAIL_OPEN, RELOAD);
    }
    match config.get("failure_policy") {
        Some(policy) if policy.text() == Some("FAIL_RELOAD") || policy.number() == Some(1.0) => {}
        Some(policy) if policy.text() == Some("FAIL_OPEN") => report.error(policy, FAIL_OPEN, RELOAD),
        Some(policy) => report.warning(policy, FAIL_CLOSED, RELOAD),
        None => report.warning(config.name_or_self(), format!("no `failure_policy`: {FAIL_CLOSED}"), RELOAD),
    }
}

fn fail_strategy(plugin: &Plugin<'_>, report: &mut Report) {
    let help = "write `failStrategy: FAIL_RELOAD`: Envoy then loads the VM again";
    match plugin.message.get("failStrategy") {
        Some(strategy) if strategy.text() == Some("FAIL_RELOAD") => {}
        Some(strategy) if strategy.text() == Some("FAIL_OPEN") => report.error(strategy, FAIL_OPEN, help),
        Some(strategy) => report.warning(strategy, FAIL_CLOSED, help),
        None => report.warning(plugin.message, format!("no `failStrategy`: {FAIL_CLOSED}"), help),
    }
}

fn vm_id(plugin: &Plugin<'_>, report: &mut Report) {
    let Some(config) = plugin.message.get("config") else { return };
    let vm = config.get("vm_config");
    let id = vm.and_then(|vm| vm.get("vm_id"));
    if id.and_then(At::text).is_some_and(|id| !id.is_empty()) {
        return;
    }
    let message = "the `vm_id` is empty: the filter shares its state of backends with every other Wasm \
                   plugin whose `vm_id` is empty";
    let place = id.or(vm).unwrap_or(config);
    report.warning(place, message, "write `vm_id: session-affinity` in `vm_config`");
}

/// Variables in a form that Envoy cannot read.
fn variables(plugin: &Plugin<'_>, report: &mut Report) {
    let path = ["config", "vm_config", "environment_variables", "host_env_keys"];
    for variable in plugin.message.items_at(&path).filter(|variable| variable.text().is_none()) {
        let message = "Envoy refuses this element of `host_env_keys`: it is not the name of a variable";
        report.error(variable, message, "write only names: `host_env_keys: [SESSION_AFFINITY_KEY]`");
    }
}

/// Secrets that Envoy's `/config_dump` shows.
fn shown_secrets(plugin: &Plugin<'_>, report: &mut Report) {
    for index in 0..plugin.node("keys").map_or(0, |keys| keys.items().len()) {
        let path = format!("keys[{index}]");
        if plugin.node(&format!("{path}.secret")).is_some() {
            let message = "Envoy shows this secret in its `/config_dump`";
            let help = format!(
                "write `{{id: k1, env: SESSION_AFFINITY_KEY}}`, and {}",
                plugin.kind.host_variable("SESSION_AFFINITY_KEY")
            );
            report.add(Level::Warning, plugin.place(&format!("{path}.secret")), message, help);
        }
        if let Some(name) = plugin.node(&format!("{path}.env")).and_then(Node::text)
            && !plugin.kind.is_host_variable(plugin.message, name)
            && plugin.kind.variable(plugin.message, name).is_some()
        {
            let message = "Envoy shows the value of this variable in its `/config_dump`";
            let help = format!(
                "pass the secret to Envoy in its environment, and write {}",
                plugin.kind.host_variable(name)
            );
            report.add(Level::Warning, plugin.place(&format!("{path}.env")), message, help);
        }
    }
}
