//! Gradio with `gradio_client`. The client sends a question in one request and reads the stream of answers in another.

use std::path::Path;

use harness::envoy::Envoy;
use harness_browser::{Browser, By, Certificate};

use crate::clients::Clients;
use crate::envoy::{self, Pin};
use crate::instance::{Instances, free_port};
use crate::python::Python;

/// The number of clients that run at the same time.
const CLIENTS: usize = 12;

/// How many files a client sends, and how many seconds it waits for each answer. Answers take less than one second.
/// Some clients wait for an answer that no stream brings: all of them without the filter, and some of them if their
/// instance has ended.
///
/// With the filter, clients send a second file only if an instance ends. Gradio itself may lose a question that arrives
/// while the previous stream of answers ends.
const WITH_FILTER: [&str; 2] = ["1", "60"];
const WITHOUT_FILTER: [&str; 2] = ["2", "8"];
const AT_THE_END: [&str; 2] = ["2", "15"];

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

    /// An Envoy with a configuration from docs/works-with.md.
    async fn envoy(&self, recipe: &str) -> Envoy {
        envoy::with_filter(Pin::Endpoint, &envoy::recipe(recipe), &self.instances.addresses()).await
    }

    fn clients(&self, envoy: &Envoy, [files, seconds]: [&str; 2]) -> Clients {
        let mut command = self.python.command();
        command.args(["client.py", &envoy.url(), &CLIENTS.to_string(), files, seconds]);
        Clients::start(command)
    }
}

#[tokio::test]
async fn every_gradio_client_gets_its_answers_or_begins_again_when_its_instance_ends_and_without_the_filter_most_get_none()
 {
    let mut gradio = Gradio::start().await;
    let envoy = gradio.envoy("Gradio").await;
    let outcomes = gradio.clients(&envoy, WITH_FILTER).finish().await;
    assert_eq!(outcomes.done, CLIENTS, "{outcomes:?}");
    envoy::assert_filter_is_well(&envoy).await;

    let bare = envoy::without_filter(&gradio.instances.addresses()).await;
    let outcomes = gradio.clients(&bare, WITHOUT_FILTER).finish().await;
    assert!(outcomes.done <= CLIENTS / 2, "without the filter: {outcomes:?}");
    eprintln!("Gradio: without the filter {} of {CLIENTS} clients get their answers", outcomes.done);

    in_a_frame(&mut gradio).await;

    let mut clients = gradio.clients(&envoy, AT_THE_END);
    clients.halfway().await;
    gradio.instances.end_first();
    let outcomes = clients.finish().await;
    assert_eq!(outcomes.failed, [""; 0]);
    assert!(!outcomes.again.is_empty() && outcomes.done > 0, "{outcomes:?}");
    eprintln!("Gradio: {} of {CLIENTS} clients begin again: {:?}", outcomes.again.len(), outcomes.again);
}

/// Shows the application in a frame of another site. Each page gets its answer with a cookie that browsers store in
/// such a frame, but not with the cookie of the configuration for the application by itself. When the instance ends,
/// the page reports it. A reloaded page works.
async fn in_a_frame(gradio: &mut Gradio) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("three.txt");
    std::fs::write(&file, "one\ntwo\nthree\n").unwrap();
    let certificate = Certificate::new(&["app.test", "other.test"]).unwrap();
    let browser = Browser::start(&[certificate.trust()]).await.unwrap();
    let addresses = gradio.instances.addresses();

    let lax = envoy::embedded(&envoy::recipe("Gradio"), &addresses, &certificate).await;
    let mut answered = 0;
    while is_answered(&browser, &lax, &file).await {
        answered += 1;
        assert!(answered < 5, "{answered} pages get their answers with a cookie that browsers do not keep");
    }
    let recipe = envoy::recipe("Embedding in another site");
    let partitioned = envoy::embedded(&recipe, &addresses, &certificate).await;
    for page in 1..=3 {
        assert!(is_answered(&browser, &partitioned, &file).await, "page {page} gets no answer");
    }
    envoy::assert_filter_is_well(&partitioned).await;
    gradio.instances.end_the_one_in_use(&partitioned).await;
    // Fails if the page has already noticed it.
    let _ = browser.click("button.primary").await;
    browser.shown("body", is_lost).await.unwrap();
    assert!(is_answered(&browser, &partitioned, &file).await, "a new page gets no answer");
}

/// Opens the page in a frame of another site and sends a file. Returns whether the page shows the answer.
async fn is_answered(browser: &Browser, envoy: &Envoy, file: &Path) -> bool {
    let driver = browser.driver();
    let url = envoy.url().replace("http://127.0.0.1", "https://other.test");
    driver.goto(url + envoy::EMBEDDING).await.unwrap();
    driver.enter_frame(0).await.unwrap();
    browser.shown("body", |page| page.contains("Drop File Here")).await.unwrap();
    let input = driver.find(By::Css("input[type=file]")).await.unwrap();
    input.send_keys(file.display().to_string()).await.unwrap();
    // The size of the file.
    browser.shown("body", |page| page.contains("14.0 B")).await.unwrap();
    browser.click("button.primary").await.unwrap();
    let is_end = |page: &str| page.contains("has 3 lines") || is_lost(page);
    browser.shown("body", is_end).await.unwrap().contains("has 3 lines")
}

/// Whether the page sent a request to an instance that does not know the page: the page shows an error or forgets the
/// file.
fn is_lost(page: &str) -> bool {
    page.contains("Error") || page.contains("Drop File Here")
}
