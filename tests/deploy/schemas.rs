//! Every object against the published schema of its kind, from crates. For Envoy Gateway's kinds there is no such
//! crate, and the crate for the Prometheus operator takes minutes to compile. The types in `envoy_gateway/types.rs` and
//! in `monitors.rs` replace them.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kcr_extensions_istio_io::v1alpha1::wasmplugins::WasmPluginSpec;
use kcr_gateway_networking_k8s_io::v1::gatewayclasses::GatewayClassSpec;
use kcr_gateway_networking_k8s_io::v1::gateways::GatewaySpec;
use kcr_gateway_networking_k8s_io::v1::httproutes::HttpRouteSpec;
use kcr_networking_istio_io::v1::destinationrules::DestinationRuleSpec;
use kcr_networking_istio_io::v1::gateways::GatewaySpec as IstioGatewaySpec;
use kcr_networking_istio_io::v1::virtualservices::VirtualServiceSpec;
use kcr_networking_istio_io::v1alpha3::envoyfilters::EnvoyFilterSpec;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::envoy_gateway::types;
use crate::manifests::{files, load, name};
use crate::monitors;

/// Whether a value has this type, without fields that the type does not have.
fn fits<T: DeserializeOwned>(value: &Value) -> Result<(), String> {
    let mut unknown = Vec::new();
    let parsed: Result<T, _> = serde_ignored::deserialize(value, |path| unknown.push(path.to_string()));
    parsed.map_err(|error| error.to_string())?;
    if unknown.is_empty() { Ok(()) } else { Err(format!("unknown: {}", unknown.join(", "))) }
}

/// A custom resource: its metadata, and its spec of this type.
fn resource<Spec: DeserializeOwned>(object: &Value) -> Result<(), String> {
    let fields: Vec<&String> = object.as_object().unwrap().keys().collect();
    let allowed = |field: &&String| ["apiVersion", "kind", "metadata", "spec"].contains(&field.as_str());
    if !fields.iter().all(allowed) {
        return Err(format!("unknown: one of {fields:?}"));
    }
    fits::<ObjectMeta>(&object["metadata"])?;
    fits::<Spec>(&object["spec"])
}

/// Whether an object matches the published schema of its kind.
pub fn check(object: &Value) -> Result<(), String> {
    match (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap()) {
        ("v1", "ConfigMap") => fits::<ConfigMap>(object),
        ("v1", "Secret") => fits::<Secret>(object),
        ("v1", "Service") => fits::<Service>(object),
        ("apps/v1", "Deployment") => fits::<Deployment>(object),
        ("autoscaling/v2", "HorizontalPodAutoscaler") => fits::<HorizontalPodAutoscaler>(object),
        ("monitoring.coreos.com/v1", "PodMonitor") => resource::<monitors::PodMonitor>(object),
        ("monitoring.coreos.com/v1", "ServiceMonitor") => resource::<monitors::ServiceMonitor>(object),
        ("policy/v1", "PodDisruptionBudget") => fits::<PodDisruptionBudget>(object),
        ("gateway.networking.k8s.io/v1", "GatewayClass") => resource::<GatewayClassSpec>(object),
        ("gateway.networking.k8s.io/v1", "Gateway") => resource::<GatewaySpec>(object),
        ("gateway.networking.k8s.io/v1", "HTTPRoute") => resource::<HttpRouteSpec>(object),
        ("extensions.istio.io/v1alpha1", "WasmPlugin") => resource::<WasmPluginSpec>(object),
        ("networking.istio.io/v1", "DestinationRule") => resource::<DestinationRuleSpec>(object),
        ("networking.istio.io/v1", "Gateway") => resource::<IstioGatewaySpec>(object),
        ("networking.istio.io/v1", "VirtualService") => resource::<VirtualServiceSpec>(object),
        ("networking.istio.io/v1alpha3", "EnvoyFilter") => resource::<EnvoyFilterSpec>(object),
        ("gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy") => {
            resource::<types::BackendTrafficPolicy>(object)
        }
        ("gateway.envoyproxy.io/v1alpha1", "ClientTrafficPolicy") => {
            resource::<types::ClientTrafficPolicy>(object)
        }
        ("gateway.envoyproxy.io/v1alpha1", "EnvoyExtensionPolicy") => {
            resource::<types::EnvoyExtensionPolicy>(object)
        }
        ("gateway.envoyproxy.io/v1alpha1", "EnvoyPatchPolicy") => resource::<types::EnvoyPatchPolicy>(object),
        ("gateway.envoyproxy.io/v1alpha1", "EnvoyProxy") => resource::<types::EnvoyProxy>(object),
        (version, kind) => Err(format!("no schema of {kind} in {version} here")),
    }
}

#[test]
fn every_manifest_is_what_the_published_schemas_say() {
    for file in files() {
        for object in load(&file) {
            assert_eq!(check(&object), Ok(()), "{file}: {}", name(&object));
        }
    }
}

#[test]
fn a_field_or_a_value_that_a_schema_does_not_know_is_found_in_every_kind() {
    let mut kinds = Vec::new();
    for object in files().iter().flat_map(|file| load(file)) {
        let kind = object["kind"].as_str().unwrap().to_owned();
        let place = if kind == "ConfigMap" { "metadata" } else { "spec" };
        let mut misspelt = object.clone();
        misspelt[place]["replics"] = json!(2);
        assert!(check(&misspelt).unwrap_err().contains("replics"), "{kind}");
        let mut wrong = object;
        wrong[place] = json!([1]);
        assert!(check(&wrong).is_err(), "{kind}");
        kinds.push(kind);
    }
    assert!(kinds.len() > 20, "{kinds:?}");
}
