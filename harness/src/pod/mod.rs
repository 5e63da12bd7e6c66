//! Backends to send requests to.

mod hostname;
mod obedient;
mod raw;
mod recording;
mod refusing;
mod silent;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{self, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode};

pub use self::raw::RawPod;
use self::recording::Recording;
pub use self::recording::Request;
pub use self::refusing::RefusingAddress;
pub use self::silent::SilentAddress;
use crate::thread::ServerThread;

/// Maximum size of a request's body.
const LARGEST_BODY: usize = 1 << 20;

/// An HTTP/1.1 and HTTP/2 server that answers every request with its own name, like GKE's `serve_hostname`.
///
/// - `/` returns the demo's page to a browser (`Accept: text/html`).
/// - `/ws` is a WebSocket that sends the pod's name first, and then `<name>: <message>` for every message.
/// - `/drop-cookie` deletes the cookie `GCLB` in the browser.
/// - Every other path returns the name as text, without a newline, and the header `x-pod`.
///
/// Dropping the pod closes its listener and all its connections.
#[derive(Debug)]
pub struct Pod {
    name: String,
    server: ServerThread,
    recording: Recording,
    fails: Arc<AtomicBool>,
}

impl Pod {
    /// A pod on 127.0.0.1, at a port that the system chooses.
    ///
    /// # Errors
    /// If the system gives no port or thread.
    pub fn start(name: &str) -> Result<Self> {
        Self::start_at(name, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// A pod at this address, for example where a pod was stopped before.
    ///
    /// # Errors
    /// If the address is in use.
    pub fn start_at(name: &str, address: SocketAddr) -> Result<Self> {
        Self::serve(name, address, hostname::router(name))
    }

    /// A pod at this address that answers each request after `delay`.
    ///
    /// # Errors
    /// If the address is in use.
    pub fn slow_at(name: &str, address: SocketAddr, delay: Duration) -> Result<Self> {
        let wait = move |request: extract::Request, next: Next| async move {
            tokio::time::sleep(delay).await;
            next.run(request).await
        };
        Self::serve(name, address, hostname::router(name).layer(middleware::from_fn(wait)))
    }

    /// A pod whose responses are determined by request headers: `x-answer-status` has the status, each
    /// `x-answer-header` has a header as `name: value`, `x-answer-after-ms` has the delay in milliseconds, and
    /// `x-answer-lines` has the number of lines of the body, one per second. Without these headers, or if
    /// `x-answer-only` names another pod, the pod returns its name at once, on every path. A response with a
    /// `grpc-status` header has no body.
    ///
    /// # Errors
    /// If the system gives no port or thread.
    pub fn obedient(name: &str) -> Result<Self> {
        Self::with_router(name, obedient::router(name))
    }

    /// As [`Pod::obedient`], at this address.
    ///
    /// # Errors
    /// If the address is in use.
    pub fn obedient_at(name: &str, address: SocketAddr) -> Result<Self> {
        Self::serve(name, address, obedient::router(name))
    }

    /// A pod with a custom router. Its requests are recorded too.
    ///
    /// # Errors
    /// If the system gives no port or thread.
    pub fn with_router(name: &str, router: Router) -> Result<Self> {
        Self::serve(name, SocketAddr::from(([127, 0, 0, 1], 0)), router)
    }

    fn serve(name: &str, address: SocketAddr, router: Router) -> Result<Self> {
        let recording = Recording::default();
        let fails = Arc::new(AtomicBool::new(false));
        let refuse = middleware::from_fn_with_state(Arc::clone(&fails), fail_if_told);
        let router = recording.layer(router.layer(middleware::from_fn(with_whole_body)).layer(refuse));
        let server = ServerThread::start(address, |listener| async {
            // `serve` never returns, because it retries errors of accept.
            let _ = axum::serve(listener, router).await;
        })
        .with_context(|| format!("starting pod {name} at {address}"))?;
        Ok(Self { name: name.to_owned(), server, recording, fails })
    }

    /// The address of the pod.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The name of the pod.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The last requests, oldest first. At most 1000 are kept.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.recording.requests()
    }

    /// The last request.
    ///
    /// # Panics
    /// If there was no request.
    #[must_use]
    pub fn last_request(&self) -> Request {
        self.requests().pop().expect("a request reached the pod")
    }

    /// Deletes the recorded requests.
    pub fn clear_requests(&self) {
        self.recording.clear();
    }

    /// Freezes the pod until [`Self::thaw`]. It still accepts connections, but sends nothing, like a process after
    /// SIGSTOP.
    pub fn freeze(&self) {
        self.server.freeze();
    }

    /// Ends [`Self::freeze`]. The pod then answers the requests that arrived in the meantime.
    pub fn thaw(&self) {
        self.server.thaw();
    }

    /// Makes the pod answer 503 to every request.
    pub fn fail(&self) {
        self.fails.store(true, Ordering::Relaxed);
    }

    /// Stops the pod and closes its connections. Its address then refuses connections.
    pub fn stop(self) {
        drop(self);
    }
}

async fn fail_if_told(
    State(fails): State<Arc<AtomicBool>>,
    request: extract::Request,
    next: Next,
) -> Response {
    if fails.load(Ordering::Relaxed) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    next.run(request).await
}

/// Reads the body before the handler answers, because the handler may ignore the body. An unread body may close the
/// connection, which would look like a failure of the pod. The body of an upgrade never ends, so it is not read.
async fn with_whole_body(request: extract::Request, next: Next) -> Response {
    if [Method::POST, Method::PUT, Method::PATCH].contains(request.method()) {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
        return next.run(extract::Request::from_parts(head, body.into())).await;
    }
    next.run(request).await
}
