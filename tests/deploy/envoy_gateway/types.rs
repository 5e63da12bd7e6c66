//! The specs of Envoy Gateway's kinds (`gateway.envoyproxy.io/v1alpha1`, as of 1.9), with only the fields that the
//! files use. Any other field is refused.

use k8s_openapi::api::core::v1::EnvVar;
use serde::Deserialize;
use serde_json::Value;

macro_rules! strict {
    ($(#[$about:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[allow(dead_code, reason = "some are only there to be known")]
        pub struct $name { $(pub $field: $type),* }
    };
}

strict! { TargetRef { group: String, kind: String, name: String } }

strict! { BackendTrafficPolicy {
    target_refs: Vec<TargetRef>,
    load_balancer: LoadBalancer,
    retry: Retry,
    health_check: HealthCheck,
} }
strict! { LoadBalancer { r#type: LoadBalancerType } }
strict! { Retry { num_retries: u32, retry_on: RetryOn } }
strict! { RetryOn { triggers: Vec<Trigger> } }
strict! { HealthCheck { panic_threshold: u32, passive: Passive } }

/// The load balancer.
#[derive(Debug, Deserialize)]
pub enum LoadBalancerType {
    LeastRequest,
}

/// The conditions of a retry.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    ConnectFailure,
    RefusedStream,
    ResetBeforeRequest,
}

/// Passive health checks. (`camelCase` would change the name of `5Xx`.)
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Passive {
    pub split_external_local_origin_errors: bool,
    pub consecutive_local_origin_failures: u32,
    pub consecutive_gateway_errors: u32,
    #[serde(rename = "consecutive5XxErrors")]
    pub consecutive_5xx_errors: u32,
    pub base_ejection_time: String,
    pub max_ejection_percent: u32,
}

strict! { ClientTrafficPolicy { target_refs: Vec<TargetRef>, timeout: ClientTimeout, headers: Headers } }
strict! { ClientTimeout { http: HttpClientTimeout } }
strict! { HttpClientTimeout { stream_idle_timeout: String } }
strict! { Headers { early_request_headers: Removal, late_response_headers: Removal } }
strict! { Removal { remove: Vec<String> } }

strict! { EnvoyExtensionPolicy { target_refs: Vec<TargetRef>, wasm: Vec<Wasm> } }
strict! { Wasm { name: String, code: Code, env: Env, config: Value } }
strict! { Code { r#type: CodeType, image: Image } }
strict! { Image { url: String } }
strict! { Env { host_keys: Vec<String> } }

/// The source of the module.
#[derive(Debug, Deserialize)]
pub enum CodeType {
    Image,
}

strict! { EnvoyPatchPolicy { target_ref: TargetRef, r#type: PatchType, json_patches: Vec<JsonPatch> } }
strict! { JsonPatch { r#type: String, name: String, operation: Operation } }

/// The format of patches.
#[derive(Debug, Deserialize)]
pub enum PatchType {
    #[serde(rename = "JSONPatch")]
    JsonPatch,
}

/// One operation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operation {
    pub op: Op,
    pub json_path: String,
    pub path: Option<String>,
    pub value: Value,
}

/// The type of an operation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Op {
    Add,
}

strict! { EnvoyProxy { provider: Provider, bootstrap: Bootstrap } }
strict! { Bootstrap { r#type: BootstrapType, value: String } }
strict! { Provider { r#type: ProviderType, kubernetes: KubernetesProvider } }
strict! { KubernetesProvider { envoy_deployment: EnvoyDeployment } }
strict! { EnvoyDeployment { replicas: u32, container: Container } }
strict! { Container { env: Vec<EnvVar> } }

/// The infrastructure on which Envoys run.
#[derive(Debug, Deserialize)]
pub enum ProviderType {
    Kubernetes,
}

/// The changes to Envoy's bootstrap.
#[derive(Debug, Deserialize)]
pub enum BootstrapType {
    Merge,
}
