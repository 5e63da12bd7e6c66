//! envoy/failover.yaml under load, with a backend in its own process. The process is stopped. The operating system goes
//! on to accept connections for the process until the queue is full, and then drops packets.

use std::net::SocketAddr;
use std::process::Command;

use harness::config::Bootstrap;
use harness::envoy::Envoy;
use serde_json::{Value, json};

use super::failover::{adapted, assert_moved_once, death_and_return, detection, manager};
use super::fleet::{Fleet, SECOND};
use super::load::alone;
use crate::workers::assert_no_vm_failed;

/// The number of connections that the system accepts for a stopped process.
const QUEUE: u32 = 64;

/// A server that sends its name in every response after 5 ms. It is an Envoy, because Envoy is fast and its queue can
/// be made short.
struct Server(Envoy);

impl Server {
    async fn start(name: &str) -> Self {
        let answer = json!({ "status": 200, "body": { "inline_string": name } });
        let config = Bootstrap::new()
            .route(json!({ "match": { "prefix": "/" }, "direct_response": answer }))
            // An unread body may close the connection.
            .http_filter(filter("buffer", "buffer.v3.Buffer", json!({ "max_request_bytes": 1024 })))
            .http_filter(filter(
                "fault",
                "fault.v3.HTTPFault",
                json!({ "delay": { "fixed_delay": "0.005s", "percentage": { "numerator": 100 } } }),
            ))
            .edit(|bootstrap| {
                bootstrap["static_resources"]["listeners"][0]["tcp_backlog_size"] = json!(QUEUE);
            });
        Self(Envoy::options().concurrency(1).start(&config.build()).await.unwrap())
    }

    fn address(&self) -> SocketAddr {
        self.0.address("http").unwrap()
    }

    /// The process does nothing from now on.
    fn stop(&self) {
        self.send("STOP");
    }

    /// The process continues.
    fn go_on(&self) {
        self.send("CONT");
    }

    /// The shell's built-in `kill`, so that no other program is needed.
    fn send(&self, signal: &str) {
        let kill = Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.0.pid())]).status();
        assert!(kill.unwrap().success());
    }
}

fn filter(name: &str, kind: &str, mut config: Value) -> Value {
    config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.http.{kind}"));
    json!({ "name": format!("envoy.filters.http.{name}"), "typed_config": config })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_stopped_costs_no_get_and_moves_its_sessions_once() {
    let _alone = alone().await;
    let mut fleet = Fleet::start(4);
    let server = Server::start("app-1").await;
    let shipped = fleet.shipped().host("app-1", server.address());
    let mut bootstrap = adapted(&shipped, &detection());
    // Prevents the test from waiting for a POST forever.
    let routes = &mut manager(&mut bootstrap)["route_config"]["virtual_hosts"][0]["routes"];
    routes[1]["route"]["timeout"] = json!("10s");
    let envoy = Envoy::start(&bootstrap).await.unwrap();
    let (record, death, noticed) =
        death_and_return(&mut fleet, &envoy, |_| server.stop(), |_| server.go_on()).await;
    for failure in record.failures() {
        assert!(failure.post && failure.had_been_sent(), "{failure:?}");
        assert!(failure.sent < noticed + SECOND, "{failure:?} after it was noticed at {noticed:?}");
    }
    assert_moved_once(&record, death, noticed + SECOND);
    assert_no_vm_failed(&envoy).await;
}
