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

/// What is read of a request's body.
const LARGEST_BODY: usize = 1 << 20;

/// An HTTP/1.1 and HTTP/2 server that answers every request with its own name, like GKE's `serve_hostname`.
///
/// - `/` shows the demo's page to a browser (`Accept: text/html`);
/// - `/ws` is a WebSocket that says the pod's name first, and then `<name>: <message>` to every message;
/// - `/drop-cookie` has the browser forget the cookie `GCLB`;
/// - everything else answers the name, as text, without a newline, and the header `x-pod`.
///
/// When this is dropped, its listener and all its connections are closed.
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
    /// Where the system gives no port or thread.
    pub fn start(name: &str) -> Result<Self> {
        Self::start_at(name, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// A pod at this address: where one was stopped before, say.
    ///
    /// # Errors
    /// Where the address is taken.
    pub fn start_at(name: &str, address: SocketAddr) -> Result<Self> {
        Self::serve(name, address, hostname::router(name))
    }

    /// A pod at this address that takes so long for every answer.
    ///
    /// # Errors
    /// Where the address is taken.
    pub fn slow_at(name: &str, address: SocketAddr, delay: Duration) -> Result<Self> {
        let wait = move |request: extract::Request, next: Next| async move {
            tokio::time::sleep(delay).await;
            next.run(request).await
        };
        Self::serve(name, address, hostname::router(name).layer(middleware::from_fn(wait)))
    }

    /// A pod that answers as each request says: with the status in `x-answer-status`, and with every
    /// `name: value` in an `x-answer-header`, after as many milliseconds as `x-answer-after-ms` says, with as many
    /// lines as `x-answer-lines` says, one a second. Where `x-answer-only` names another pod, and otherwise, it says
    /// its name at once, whatever the path. An answer with a `grpc-status` header has no body.
    ///
    /// # Errors
    /// Where the system gives no port or thread.
    pub fn obedient(name: &str) -> Result<Self> {
        Self::with_router(name, obedient::router(name))
    }

    /// As [`Pod::obedient`], at this address.
    ///
    /// # Errors
    /// Where the address is taken.
    pub fn obedient_at(name: &str, address: SocketAddr) -> Result<Self> {
        Self::serve(name, address, obedient::router(name))
    }

    /// A pod that behaves in its own way. Its requests are recorded as well.
    ///
    /// # Errors
    /// Where the system gives no port or thread.
    pub fn with_router(name: &str, router: Router) -> Result<Self> {
        Self::serve(name, SocketAddr::from(([127, 0, 0, 1], 0)), router)
    }

    fn serve(name: &str, address: SocketAddr, router: Router) -> Result<Self> {
        let recording = Recording::default();
        let fails = Arc::new(AtomicBool::new(false));
        let refuse = middleware::from_fn_with_state(Arc::clone(&fails), fail_if_told);
        let router = recording.layer(router.layer(middleware::from_fn(with_whole_body)).layer(refuse));
        let server = ServerThread::start(address, |listener| async {
            // It never returns: errors of accept are retried.
            let _ = axum::serve(listener, router).await;
        })
        .with_context(|| format!("starting pod {name} at {address}"))?;
        Ok(Self { name: name.to_owned(), server, recording, fails })
    }

    /// Where the pod listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The name the pod answers with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The last requests, oldest first, as they arrived. At most 1000 are kept.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.recording.requests()
    }

    /// The last request.
    ///
    /// # Panics
    /// Where there was none.
    #[must_use]
    pub fn last_request(&self) -> Request {
        self.requests().pop().expect("a request reached the pod")
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.recording.clear();
    }

    /// From now on the pod takes connections, and says nothing more on any of them until [`Self::thaw`]: as a
    /// process that was sent SIGSTOP.
    pub fn freeze(&self) {
        self.server.freeze();
    }

    /// Ends [`Self::freeze`]: what came meanwhile is answered now.
    pub fn thaw(&self) {
        self.server.thaw();
    }

    /// From now on the pod answers 503 to everything.
    pub fn fail(&self) {
        self.fails.store(true, Ordering::Relaxed);
    }

    /// Ends the pod and closes its connections; from then on its address refuses.
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

/// Reads the body before the handler, who may not care for it, answers: a body that nobody reads may cost the
/// connection, which would look like a failure of the pod's. (A body of an upgrade never ends.)
async fn with_whole_body(request: extract::Request, next: Next) -> Response {
    if [Method::POST, Method::PUT, Method::PATCH].contains(request.method()) {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
        return next.run(extract::Request::from_parts(head, body.into())).await;
    }
    next.run(request).await
}
