# The module with a `cp`, for the init container of kubernetes/envoy-init-container.yaml.
#
#   cargo xtask build
#   docker build --file deploy/installer.Dockerfile --tag registry.example.com/session-affinity:0.2.0-installer .

FROM busybox:1.37
COPY target/session_affinity.wasm /plugin.wasm
