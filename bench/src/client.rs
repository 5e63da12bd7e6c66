//! The requests of a client.

use anyhow::{Context as _, Result, ensure};
use harness::client::Client;
use harness::envoy::Envoy;
use serde_json::Value;

/// Cookies that every request carries in addition to the session's cookie.
const OTHER_COOKIES: &str = "theme=dark; consent=2026-01-01.all; _ga=GA1.1.1234567890.1234567890";

/// The name of the cookie that carries a session.
pub const COOKIE: &str = "GCLB";

/// The request header that makes a backend begin an application session.
pub const LOGIN: &str = "x-login";

/// The headers of one request, in addition to those of every client.
pub type Headers = Vec<(String, String)>;

/// The behaviour of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// The client stores nothing: each request is a first request.
    Stranger,
    /// The client sends the cookie of the first response with each request.
    Returning,
    /// The client sends the header of this name from the first response.
    ReturningHeader(&'static str),
    /// The client logs in, and sends the application's cookie of this name.
    LoggedIn(&'static str),
    /// The client sends this header.
    Header(&'static str, &'static str),
    /// The client sends this cookie.
    Cookie(&'static str),
    /// Many clients, each with its own session. Each sends one request.
    Crowd,
}

impl Behaviour {
    /// Whether all requests must reach one backend.
    pub fn sticks(&self) -> bool {
        !matches!(self, Self::Stranger | Self::Crowd)
    }

    /// The headers of each request, in rotation, for `count` requests to the Envoy at `url` with this configuration.
    pub async fn headers(&self, url: &str, config: &Value, count: usize) -> Result<Vec<Headers>> {
        let cookies = |more: Option<&str>| {
            let line =
                more.map_or_else(|| OTHER_COOKIES.to_owned(), |more| format!("{OTHER_COOKIES}; {more}"));
            ("cookie".to_owned(), line)
        };
        let client = Client::http1();
        Ok(match *self {
            Self::Stranger => vec![vec![cookies(None)]],
            Self::Cookie(pair) => vec![vec![cookies(Some(pair))]],
            Self::Header(name, value) => vec![vec![cookies(None), (name.to_owned(), value.to_owned())]],
            Self::Returning => vec![vec![cookies(Some(&new_session(&client, url).await?))]],
            Self::ReturningHeader(name) => {
                let reply = client.fetch_with_cookie(url, OTHER_COOKIES).await?;
                let value = reply.header(name).with_context(|| format!("no header {name} came"))?;
                vec![vec![cookies(None), (name.to_owned(), value)]]
            }
            Self::LoggedIn(name) => {
                let reply = client.fetch(url, &[(LOGIN, b"1")]).await?;
                let cookie = reply.cookie_pair(name).with_context(|| format!("no cookie {name} came"))?;
                vec![vec![cookies(Some(cookie))]]
            }
            Self::Crowd => {
                // Another Envoy with the same keys creates the sessions, so that the measured Envoy has seen none of
                // them.
                let maker = Envoy::options().log_level("error").start(config).await?;
                let mut crowd = Vec::new();
                for _ in 0..count {
                    crowd.push(vec![cookies(Some(&new_session(&client, &maker.url()).await?))]);
                }
                crowd
            }
        })
    }
}

/// Begins a session. Returns the cookie as `name=value`.
async fn new_session(client: &Client, url: &str) -> Result<String> {
    let reply = client.fetch_with_cookie(url, OTHER_COOKIES).await?;
    ensure!(reply.status == 200, "status {} for a new session", reply.status);
    Ok(reply.cookie_pair(COOKIE).context("no cookie came")?.to_owned())
}

/// Sends one request. Returns the name of the responding backend.
pub async fn send(client: &Client, url: &str, headers: &Headers) -> Result<String> {
    let headers: Vec<(&str, &[u8])> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let reply = client.fetch(url, &headers).await?;
    ensure!(reply.status == 200, "status {}", reply.status);
    Ok(reply.pod)
}
