//! What a client sends.

use anyhow::{Context as _, Result, ensure};
use harness::client::Client;
use harness::envoy::Envoy;
use serde_json::Value;

/// Cookies that every request carries beside the session's.
pub const OTHER_COOKIES: &str = "theme=dark; consent=2026-01-01.all; _ga=GA1.1.1234567890.1234567890";

/// The cookie that sessions are carried in.
const COOKIE: &str = "GCLB";

/// The headers of one request, beside those that every client sends.
pub type Headers = Vec<(String, String)>;

/// How a client behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// It keeps nothing: each request is a first one.
    Stranger,
    /// It sends the cookie of the first response with each request.
    Returning,
    /// It sends the header of this name that the first response had.
    ReturningHeader(&'static str),
    /// It sends this header of its own.
    Header(&'static str, &'static str),
    /// It sends this cookie of its own.
    Cookie(&'static str),
    /// Many clients: none comes twice.
    Crowd,
}

impl Behaviour {
    /// Whether all requests go to one backend.
    pub fn sticks(&self) -> bool {
        !matches!(self, Self::Stranger | Self::Crowd)
    }

    /// The headers of each request, in rotation. `count` requests will be sent.
    pub async fn headers(
        &self,
        url: &str,
        config: &Value,
        other_cookies: &str,
        count: usize,
    ) -> Result<Vec<Headers>> {
        let cookies = |more: Option<&str>| {
            let line = match more {
                Some(more) => format!("{other_cookies}; {more}"),
                None => other_cookies.to_owned(),
            };
            ("cookie".to_owned(), line)
        };
        let first = Client::http1();
        Ok(match *self {
            Self::Stranger => vec![vec![cookies(None)]],
            Self::Cookie(pair) => vec![vec![cookies(Some(pair))]],
            Self::Header(name, value) => vec![vec![cookies(None), (name.to_owned(), value.to_owned())]],
            Self::Returning => {
                let reply = first.fetch_with_cookie(url, other_cookies).await?;
                ensure!(reply.status == 200, "status {} for a new session", reply.status);
                let pair = session_cookie(&reply.set_cookies).context("no cookie came")?;
                vec![vec![cookies(Some(&pair))]]
            }
            Self::ReturningHeader(name) => {
                let reply = first.fetch_with_cookie(url, other_cookies).await?;
                let value = reply.header(name).with_context(|| format!("no header {name} came"))?;
                vec![vec![cookies(None), (name.to_owned(), value)]]
            }
            Self::Crowd => {
                // From another Envoy, which has the same keys: this one is to see each of them once.
                let mint = Envoy::options().log_level("error").start(config).await?;
                let mut crowd = Vec::new();
                for _ in 0..count {
                    let reply = first.fetch(&mint.url(), &[]).await?;
                    let pair = session_cookie(&reply.set_cookies).context("no cookie came")?;
                    crowd.push(vec![cookies(Some(&pair))]);
                }
                crowd
            }
        })
    }
}

/// One request. Returns the name of the backend that answered.
pub async fn send(client: &Client, url: &str, headers: &Headers) -> Result<String> {
    let headers: Vec<(&str, &[u8])> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let reply = client.fetch(url, &headers).await?;
    ensure!(reply.status == 200, "status {}", reply.status);
    Ok(reply.pod)
}

fn session_cookie(set_cookies: &[String]) -> Option<String> {
    let is_session = |line: &&String| line.starts_with(COOKIE) && line.contains('=');
    Some(set_cookies.iter().rfind(is_session)?.split(';').next()?.to_owned())
}
