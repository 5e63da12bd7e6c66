//! envoy/envoy.yaml over HTTPS, in front of pods with the demo page, and a browser that trusts its certificate.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use harness::envoy::Envoy;
use harness::pod::Pod;
use harness::shipped::Shipped;
use harness_browser::{Browser, Certificate};
use serde_json::Value;

/// The maximum time of any expected event. The test does not wait longer than needed.
const SOON: Duration = Duration::from_secs(30);

/// The demo at `https://a.test` and `https://b.test`, two sites.
pub struct Site {
    pub envoy: Envoy,
    pub browser: Browser,
    port: u16,
    _pods: Vec<Pod>,
}

impl Site {
    /// envoy.yaml with TLS. A value that is not null replaces its `sessionAffinity`.
    pub async fn start(session_affinity: &Value) -> Self {
        Self::start_over(session_affinity, true).await
    }

    /// Like [`Self::start`], but without TLS, at `http://a.test`.
    pub async fn start_without_tls() -> Self {
        Self::start_over(&Value::Null, false).await
    }

    async fn start_over(session_affinity: &Value, tls: bool) -> Self {
        let pods: Vec<Pod> = (0..3).map(|i| Pod::start(&format!("neg-demo-{i}")).unwrap()).collect();
        let shipped =
            pods.iter().fold(Shipped::new(), |shipped, pod| shipped.host(pod.name(), pod.address()));
        let mut config = shipped.load("envoy.yaml").unwrap();
        let certificate = Certificate::new(&["a.test", "b.test"]).unwrap();
        let chain = &mut config["static_resources"]["listeners"][0]["filter_chains"][0];
        if tls {
            chain["transport_socket"] = certificate.transport_socket();
        }
        if !session_affinity.is_null() {
            let filters = chain["filters"][0]["typed_config"]["http_filters"].as_array_mut().unwrap();
            let ours = filters.iter_mut().find(|filter| filter["name"] == "session_affinity").unwrap();
            let plugin = &mut ours["typed_config"]["config"]["configuration"]["value"];
            assert!(plugin["sessionAffinity"].is_object(), "{plugin}");
            plugin["sessionAffinity"] = session_affinity.clone();
        }
        let envoy = Envoy::start(&config).await.unwrap();
        let port = envoy.url().rsplit_once(':').unwrap().1.parse().unwrap();
        let browser = Browser::start(&[certificate.trust()]).await.unwrap();
        Self { envoy, browser, port, _pods: pods }
    }

    /// `https://a.test:port` with this path.
    pub fn url(&self, origin: &str, path: &str) -> String {
        format!("{origin}:{}{path}", self.port)
    }

    /// Opens the demo page, and waits until the page shows the responding pod.
    pub async fn open(&self, origin: &str) -> String {
        self.browser.driver().goto(self.url(origin, "/")).await.unwrap();
        self.pod().await
    }

    /// The pod that the page names.
    pub async fn pod(&self) -> String {
        self.shown("#pod", |text| text.starts_with("neg-demo-")).await
    }

    /// The pod that the page's WebSocket reached.
    pub async fn socket_pod(&self) -> String {
        self.shown("#socket-pod", |text| text.starts_with("neg-demo-")).await
    }

    /// The text of an element of the page, once it satisfies the condition.
    pub async fn shown(&self, selector: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.browser.shown(selector, wanted).await.unwrap()
    }

    /// The pod that responds to this script's request.
    pub async fn fetched(&self) -> String {
        let script = "return fetch('/whoami', { cache: 'no-store' }).then((response) => response.text())";
        let answer = self.browser.driver().execute(script, vec![]).await.unwrap();
        answer.json().as_str().unwrap().to_owned()
    }

    /// The cookie `GCLB` in the browser, if there is one.
    pub async fn cookie(&self) -> Option<Value> {
        let mut cookies = self.browser.cookies().await.unwrap();
        cookies.retain(|cookie| cookie["name"] == "GCLB");
        assert!(cookies.len() < 2, "{cookies:?}");
        cookies.pop()
    }

    /// The filter's count of this outcome. The count lags by up to a second: wait for the count of the last event.
    pub async fn outcome(&self, outcome: &str) -> u64 {
        let name = format!("wasmcustom.session_affinity.service.default.outcome.{outcome}");
        self.envoy.stat(&name).await.unwrap()
    }
}

/// Waits until the value satisfies the condition, and returns it.
pub async fn eventually<T: Debug>(
    what: &str,
    mut read: impl AsyncFnMut() -> T,
    wanted: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        let found = read().await;
        if wanted(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: still {found:?} after {SOON:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
