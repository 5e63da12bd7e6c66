# The module with a `cp`, for the init container of kubernetes/envoy-init-container.yaml.
# With the module of a release in the directory `release`:
#
#   docker build --file deploy/installer.Dockerfile --build-arg MODULE=session_affinity.wasm \
#     --tag registry.example.com/session-affinity:0.2.0-installer release
#
# With the module of `cargo xtask build`: the same without --build-arg, and with `.` in place of `release`.

FROM busybox:1.37
ARG MODULE=target/session_affinity.wasm
COPY ${MODULE} /plugin.wasm
