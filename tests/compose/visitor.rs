//! A visitor who returns with a cookie.

use futures_util::StreamExt as _;
use harness::client::{self, Client, Reply};

use crate::project::{Project, eventually};

const COOKIE: &str = "GCLB";

/// A client with the cookie of a session.
pub struct Visitor {
    url: String,
    cookie: String,
    /// The pod of the last response.
    pub pod: String,
}

impl Visitor {
    /// Begins a session.
    pub async fn new(url: &str) -> Self {
        let reply = Client::http1_fresh().fetch(url, &[]).await.unwrap();
        assert_eq!(reply.status, 200, "a new session: {}", reply.pod);
        let cookie = reply.cookie_pair(COOKIE).expect("the cookie of a new session").to_owned();
        Self { url: url.to_owned(), cookie, pod: reply.pod }
    }

    /// Begins sessions until the pod of one satisfies the condition. An ejected pod gets none until the ejection ends.
    pub async fn on(project: &Project, wanted: impl Fn(&str) -> bool) -> Self {
        let url = project.url();
        let mut found = None;
        eventually("a session begins on the wanted pod", async || {
            for _ in 0..50 {
                let visitor = Self::new(&url).await;
                if wanted(&visitor.pod) {
                    found = Some(visitor);
                    return true;
                }
            }
            false
        })
        .await;
        found.expect("a session")
    }

    /// Sends the cookie, and stores a new one.
    pub async fn again(&mut self) -> Reply {
        let reply = Client::http1_fresh().fetch_with_cookie(&self.url, &self.cookie).await.unwrap();
        if reply.status == 200 {
            self.pod.clone_from(&reply.pod);
        }
        if let Some(cookie) = reply.cookie_pair(COOKIE) {
            cookie.clone_into(&mut self.cookie);
        }
        reply
    }

    /// The session's pod must serve this many requests, without a new cookie.
    pub async fn must_stay(&mut self, requests: usize) {
        let pod = self.pod.clone();
        for _ in 0..requests {
            let reply = self.again().await;
            assert_eq!((reply.status.as_u16(), &reply.pod), (200, &pod), "the session of {pod}");
            assert_eq!(reply.set_cookies, [""; 0], "the session of {pod} has nothing new to store");
        }
    }

    /// A WebSocket of the session must reach the session's pod.
    pub async fn must_meet_pod(&self) {
        let cookie = [("cookie", self.cookie.as_bytes())];
        let (_, mut socket) = client::websocket(&format!("{}/ws", self.url), &cookie).await.unwrap();
        let message = socket.next().await.expect("a message").unwrap();
        assert_eq!(message.to_text().unwrap(), self.pod, "the pod that the WebSocket reaches");
    }

    /// Repeats the request until a pod responds, which must be another pod. Envoy itself responds with 503 until three
    /// requests in a row have failed, or four if another worker gets the next request at once, or until health checks
    /// have detected the loss. The cookie stays the same meanwhile.
    pub async fn must_move(&mut self) {
        let pod = self.pod.clone();
        for failures in 0..=4 {
            let reply = self.again().await;
            if reply.status == 200 {
                assert_ne!(self.pod, pod, "the session moves to another pod, after {failures} failures");
                return;
            }
            assert_eq!(reply.status, 503, "{}", reply.pod);
            assert_eq!(reply.set_cookies, [""; 0], "Envoy's own 503 does not change the cookie");
        }
        panic!("the session of {pod} did not move after four failures");
    }
}
