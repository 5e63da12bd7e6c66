//! The part of a wrong configuration that can be checked anyway.

use session_affinity::config::ConfigError;

use super::plugin::steps;
use crate::suggest::nearest;
use crate::yaml::{Node, Value};

/// Fields that decide which routes and clusters a service has. Without them, further errors would be wrong.
const DECISIVE: [&str; 7] =
    ["backends", "clusterHeader", "endpointHeader", "name", "pin", "routes", "services"];

/// Whether the routes and clusters can be checked without the field that is wrong.
pub fn is_dispensable(error: &ConfigError) -> bool {
    let mut names = steps(error.path()).filter(|step| *step != "services" && step.parse::<usize>().is_err());
    let Some(name) = names.next() else { return false };
    // The field may be a decisive one with a misspelt name.
    let allowed = error.problem().strip_prefix("unknown field; allowed: ").filter(|_| names.next().is_none());
    let allowed = allowed.and_then(|rest| rest.split("; given: ").next()).unwrap_or_default();
    let meant = nearest(name, allowed.split(", ")).unwrap_or(name);
    !DECISIVE.contains(&meant)
}

/// Removes the value at a path from a tree, or the object around a value that is missing. Returns whether a value was
/// removed.
pub fn remove(tree: &mut Node, path: &str) -> bool {
    let mut steps: Vec<&str> = steps(path).collect();
    while let Some(last) = steps.pop() {
        // Without a whole service, further errors would be wrong.
        if last == "services" || last.parse::<usize>().is_ok() && steps.last() == Some(&"services") {
            return false;
        }
        if remove_field(tree, &steps, last) {
            return true;
        }
    }
    false
}

fn remove_field(tree: &mut Node, parent: &[&str], last: &str) -> bool {
    let parent = parent.iter().try_fold(tree, |node, name| match &mut node.value {
        Value::List(items) => items.get_mut(name.parse::<usize>().ok()?),
        Value::Map(fields) => fields.iter_mut().find(|(key, _)| key.name == *name).map(|(_, value)| value),
        _ => None,
    });
    match parent.map(|parent| &mut parent.value) {
        Some(Value::List(items)) => {
            let index = last.parse::<usize>().ok().filter(|index| *index < items.len());
            index.map(|index| items.remove(index)).is_some()
        }
        Some(Value::Map(fields)) => {
            let before = fields.len();
            fields.retain(|(key, _)| key.name != last);
            fields.len() < before
        }
        _ => false,
    }
}
