//! An `EnvoyPatchPolicy`, as Envoy Gateway applies it to the listener.

use serde_json::{Value, json};
use serde_json_path::JsonPath;

use super::generated::spec;
use super::types::{EnvoyPatchPolicy, Op};

/// Applies every patch of the policy, if there is one. Each patch must match exactly one place.
pub fn apply(objects: &[Value], listener: &mut Value) {
    if !objects.iter().any(|object| object["kind"] == "EnvoyPatchPolicy") {
        return;
    }
    let (policy, _) = spec::<EnvoyPatchPolicy>(objects, "EnvoyPatchPolicy");
    for patch in policy.json_patches {
        assert_eq!(patch.r#type, "type.googleapis.com/envoy.config.listener.v3.Listener");
        assert_eq!(patch.name, listener["name"]);
        let Op::Add = patch.operation.op;
        let path = JsonPath::parse(&patch.operation.json_path).unwrap();
        let place = path.query_located(listener).exactly_one().unwrap().location().to_json_pointer();
        let place = format!("{place}{}", patch.operation.path.unwrap_or_default());
        let operation = json!([{ "op": "add", "path": place, "value": patch.operation.value }]);
        json_patch::patch(listener, &serde_json::from_value::<json_patch::Patch>(operation).unwrap())
            .unwrap();
    }
}
