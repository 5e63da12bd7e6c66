//! Parts of manifests for examples.

pub mod gateway;

/// Documents of one file.
pub fn all(documents: &[String]) -> String {
    documents.join("---\n")
}

/// A StatefulSet whose pods listen on 8080, with the port name `http`. Its pods have names in DNS.
pub fn stateful_set(name: &str, replicas: u32) -> String {
    deployment(name, replicas).replace("kind: Deployment", "kind: StatefulSet")
}

/// A Deployment whose pods listen on 8080, with the port name `http`.
pub fn deployment(name: &str, replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      containers:
      - name: main
        image: example/main
        ports:
        - name: http
          containerPort: 8080
"
    )
}

/// A Service `NAME` on port 80 in front of the pods of the StatefulSet `NAME`.
pub fn service(name: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector: {{app: {name}}}
  ports:
  - port: 80
    targetPort: 8080
"
    )
}

/// The same Service, with the BackendConfig `NAME` for all ports.
pub fn service_with_config(name: &str) -> String {
    let annotation = format!("cloud.google.com/backend-config: '{{\"default\": \"{name}\"}}'");
    annotated(&service(name), &annotation)
}

/// A manifest with an annotation.
pub fn annotated(manifest: &str, annotation: &str) -> String {
    manifest.replacen("spec:\n", &format!("  annotations:\n    {annotation}\nspec:\n"), 1)
}

/// A BackendConfig with this spec.
pub fn backend_config(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: cloud.google.com/v1
kind: BackendConfig
metadata:
  name: {name}
spec: {spec}
"
    )
}

/// An Ingress that sends all requests to this Service.
pub fn ingress_to(service: &str) -> String {
    ingress(&format!("{{defaultBackend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}"))
}

/// An Ingress with this spec.
pub fn ingress(spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: main
spec: {spec}
"
    )
}

/// A path of an Ingress.
pub fn path(path: &str, path_type: &str, service: &str) -> String {
    format!(
        "{{path: \"{path}\", pathType: {path_type}, backend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}"
    )
}

/// A rule of an Ingress, without a host if `host` is empty.
pub fn rule(host: &str, paths: &[String]) -> String {
    let host = if host.is_empty() { String::new() } else { format!("host: \"{host}\", ") };
    format!("{{{host}http: {{paths: [{}]}}}}", paths.join(", "))
}

/// A StatefulSet, a Service, a BackendConfig with this spec, and an Ingress to the Service.
pub fn configured(spec: &str) -> String {
    all(&[stateful_set("app", 2), service_with_config("app"), backend_config("app", spec), ingress_to("app")])
}
