//! Gradio, whose client asks in one request and reads the stream of answers in another, with `gradio_client`.

use std::path::Path;

use harness::envoy::Envoy;

use crate::clients::Clients;
use crate::envoy::{self, Pin};
use crate::instance::{Instances, free_port};
use crate::python::Python;

/// So many clients run at the same time.
const CLIENTS: usize = 12;

/// How many seconds a client waits for an answer. Answers take less than one second. Clients wait in vain for an answer
/// that the instance has sent nowhere: all of them without the filter, some of them when their instance has ended.
const PATIENCE: &str = "60";
const IMPATIENCE: &str = "8";

struct Gradio {
    python: Python,
    instances: Instances,
}

impl Gradio {
    async fn start() -> Self {
        let python = Python::of("gradio");
        let command = |directory: &Path| {
            let mut command = python.command();
            command.arg("app.py").env("GRADIO_SERVER_PORT", free_port().to_string());
            command.env("GRADIO_TEMP_DIR", directory).env("GRADIO_ANALYTICS_ENABLED", "False");
            command
        };
        let instances = Instances::start(command, "URL:  http://127.0.0.1:").await;
        Self { python, instances }
    }

    fn clients(&self, envoy: &Envoy, patience: &str) -> Clients {
        let mut command = self.python.command();
        command.args(["client.py", &envoy.url(), &CLIENTS.to_string(), patience]);
        Clients::start(command)
    }
}

#[tokio::test]
async fn gradio_clients_need_the_filter_and_begin_again_when_their_instance_ends() {
    let mut gradio = Gradio::start().await;
    let envoy =
        envoy::with_filter(Pin::Endpoint, &envoy::recipe("Gradio"), &gradio.instances.addresses()).await;
    let outcomes = gradio.clients(&envoy, PATIENCE).finish().await;
    assert_eq!(outcomes.done, CLIENTS, "{outcomes:?}");
    envoy::assert_filter_is_well(&envoy).await;

    let bare = envoy::without_filter(&gradio.instances.addresses()).await;
    let outcomes = gradio.clients(&bare, IMPATIENCE).finish().await;
    assert!(outcomes.failed.len() >= CLIENTS - 2, "without the filter: {outcomes:?}");
    eprintln!("Gradio: without the filter {} of {CLIENTS} clients fail", outcomes.failed.len());

    let mut clients = gradio.clients(&envoy, IMPATIENCE);
    clients.halfway().await;
    gradio.instances.end_first();
    let outcomes = clients.finish().await;
    assert_eq!(outcomes.failed, [""; 0]);
    assert!(!outcomes.again.is_empty() && outcomes.done > 0, "{outcomes:?}");
    eprintln!("Gradio: {} of {CLIENTS} clients begin again: {:?}", outcomes.again.len(), outcomes.again);
}
