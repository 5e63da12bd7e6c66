//! Real parts for tests and the demo: Envoy processes, pods, clients.
