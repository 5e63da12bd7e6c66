//! Somebody who comes back with a cookie.

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::StreamExt as _;
use harness::client::{self, Client, Reply};

const COOKIE: &str = "GCLB";

/// How many sessions are begun to meet one pod of a few.
const TRIES: usize = 200;

/// A client with the cookie of a session.
pub struct Visitor {
    url: String,
    cookie: String,
    /// The pod that answered last.
    pub pod: String,
}

impl Visitor {
    /// Begins a session.
    pub async fn new(url: &str) -> Result<Self> {
        let reply = Client::http1_fresh().fetch(url, &[]).await?;
        ensure!(reply.status == 200, "a new session was answered {}: {}", reply.status, reply.pod);
        let cookie = reply.cookie_pair(COOKIE).context("a new session got no cookie")?.to_owned();
        Ok(Self { url: url.to_owned(), cookie, pod: reply.pod })
    }

    /// Begins sessions until one is on a pod like that.
    pub async fn on(url: &str, wanted: impl Fn(&str) -> bool) -> Result<Self> {
        for _ in 0..TRIES {
            let visitor = Self::new(url).await?;
            if wanted(&visitor.pod) {
                return Ok(visitor);
            }
        }
        bail!("none of {TRIES} sessions began on such a pod")
    }

    /// Sends the cookie, and keeps a new one.
    pub async fn again(&mut self) -> Result<Reply> {
        let reply = Client::http1_fresh().fetch_with_cookie(&self.url, &self.cookie).await?;
        if reply.status == 200 {
            self.pod.clone_from(&reply.pod);
        }
        if let Some(cookie) = reply.cookie_pair(COOKIE) {
            cookie.clone_into(&mut self.cookie);
        }
        Ok(reply)
    }

    /// Whether so many requests are answered by the session's pod, with nothing new to say.
    pub async fn stays(&mut self, requests: usize) -> Result<bool> {
        let pod = self.pod.clone();
        for _ in 0..requests {
            let reply = self.again().await?;
            if reply.status != 200 || reply.pod != pod || !reply.set_cookies.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The pod that a WebSocket of this session meets.
    pub async fn socket(&self) -> Result<String> {
        let cookie = [("cookie", self.cookie.as_bytes())];
        let (_, mut socket) = client::websocket(&format!("{}/ws", self.url), &cookie).await?;
        let message = socket.next().await.context("the WebSocket said nothing")??;
        Ok(message.to_text()?.to_owned())
    }
}
