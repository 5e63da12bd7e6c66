//! Clients of Envoy: over HTTP/1.1, over HTTP/2, like a browser, over a WebSocket, and byte by byte.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use reqwest::RequestBuilder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// An HTTP client that follows no redirects and uses no proxy. Only [`Client::jar`] stores cookies.
#[derive(Clone, Debug)]
pub struct Client(reqwest::Client);

impl Client {
    /// HTTP/1.1, with connections kept alive.
    ///
    /// # Panics
    /// If the system has no randomness. The same holds for all constructors.
    #[must_use]
    pub fn http1() -> Self {
        Self::build(reqwest::Client::builder().http1_only())
    }

    /// HTTP/1.1, with a new connection for each request.
    #[must_use]
    pub fn http1_fresh() -> Self {
        Self::build(reqwest::Client::builder().http1_only().pool_max_idle_per_host(0))
    }

    /// HTTP/2 without TLS (h2c with prior knowledge).
    #[must_use]
    pub fn http2() -> Self {
        Self::build(reqwest::Client::builder().http2_prior_knowledge())
    }

    /// HTTP/1.1 with a cookie jar as in a browser. The jar stores cookies, sends them with matching requests, and
    /// deletes them after their `Max-Age`.
    #[must_use]
    pub fn jar() -> Self {
        Self::build(reqwest::Client::builder().http1_only().cookie_store(true))
    }

    fn build(builder: reqwest::ClientBuilder) -> Self {
        let builder = builder.no_proxy().redirect(reqwest::redirect::Policy::none());
        Self(builder.build().expect("a client without TLS"))
    }

    /// A GET request that the caller can change. [`Reply::to`] sends it.
    pub fn get(&self, url: &str) -> RequestBuilder {
        self.0.get(url)
    }

    /// A request that the caller can change. [`Reply::to`] sends it.
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.0.request(method, url)
    }

    /// GETs `url` with these headers. A header that is given twice is sent in two lines.
    ///
    /// # Errors
    /// If a header is not valid, or if no complete response comes.
    pub async fn fetch(&self, url: &str, headers: &[(&str, &[u8])]) -> Result<Reply> {
        Reply::to(self.get(url).headers(header_map(headers)?)).await
    }

    /// GETs `url` with this `Cookie` header.
    ///
    /// # Errors
    /// If the header is not valid, or if no complete response comes.
    pub async fn fetch_with_cookie(&self, url: &str, cookie: &str) -> Result<Reply> {
        self.fetch(url, &[("cookie", cookie.as_bytes())]).await
    }
}

/// A response, read to its end.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The body as text. It is the name of the pod if a [`crate::pod::Pod`] answered.
    pub pod: String,
    /// The headers. Values can be any bytes.
    pub headers: HeaderMap,
    /// All `Set-Cookie` headers.
    pub set_cookies: Vec<String>,
}

impl Reply {
    /// Sends `request` and reads the response to its end.
    ///
    /// # Errors
    /// If no complete response comes.
    pub async fn to(request: RequestBuilder) -> Result<Self> {
        let response = request.send().await?;
        let status = response.status();
        let headers = response.headers().clone();
        let pod = String::from_utf8_lossy(&response.bytes().await?).into_owned();
        let set_cookies = headers
            .get_all(http::header::SET_COOKIE)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        Ok(Self { status, pod, headers, set_cookies })
    }

    /// The last `Set-Cookie` header of the cookie with this name.
    #[must_use]
    pub fn set_cookie(&self, name: &str) -> Option<&str> {
        self.set_cookies
            .iter()
            .rev()
            .map(String::as_str)
            .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')))
    }

    /// `name=value` of the cookie that was set, ready for a `Cookie` header.
    #[must_use]
    pub fn cookie_pair(&self, name: &str) -> Option<&str> {
        self.set_cookie(name)?.split(';').next()
    }

    /// The first value of a header. Bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }
}

/// A WebSocket on a plain TCP connection.
pub type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens a WebSocket, and returns it with the headers of the 101 response. `url` may begin with `http://`.
///
/// # Errors
/// If the connection fails or the response is not a 101.
pub async fn websocket(url: &str, headers: &[(&str, &[u8])]) -> Result<(HeaderMap, WebSocket)> {
    let url = url.strip_prefix("http://").map_or_else(|| url.to_owned(), |rest| format!("ws://{rest}"));
    let mut request = url.into_client_request()?;
    request.headers_mut().extend(header_map(headers)?);
    let (socket, response) = tokio_tungstenite::connect_async(request).await?;
    Ok((response.headers().clone(), socket))
}

/// Sends these bytes on a new connection, and returns all bytes until the other side closes the connection. The request
/// should have `connection: close`.
///
/// # Errors
/// If the connection fails.
pub async fn raw(address: SocketAddr, request: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await?;
    Ok(response)
}

fn header_map(headers: &[(&str, &[u8])]) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let value = HeaderValue::from_bytes(value).with_context(|| format!("header {name}"))?;
        map.append(HeaderName::from_bytes(name.as_bytes())?, value);
    }
    Ok(map)
}
