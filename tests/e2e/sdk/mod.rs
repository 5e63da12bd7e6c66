//! Cases in which Envoy returns a status from a host call that makes the proxy-wasm SDK panic, or keeps state that the
//! SDK must free. A panic ends the VM of a worker, so `assert_no_vm_failed` is part of each test.

mod aborted_requests;
mod capabilities;
mod header_names;
mod log_levels;
mod truncated_answers;
