//! The requests that reached a pod.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract;
use axum::middleware::{self, Next};
use http::{HeaderMap, Method, Uri};

/// Maximum number of recorded requests.
const KEPT: usize = 1000;

/// The head of a request as a pod received it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path and query. Over HTTP/2, also the scheme and authority.
    pub uri: Uri,
    /// The headers. Values can be any bytes.
    pub headers: HeaderMap,
}

impl Request {
    /// All values of a header, each as bytes.
    #[must_use]
    pub fn header(&self, name: &str) -> Vec<Vec<u8>> {
        self.headers.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect()
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Recording(Arc<Mutex<VecDeque<Request>>>);

impl Recording {
    /// `router`, with every request recorded before it is handled.
    pub(super) fn layer(&self, router: Router) -> Router {
        let recording = self.clone();
        router.layer(middleware::from_fn(move |request: extract::Request, next: Next| {
            recording.add(&request);
            next.run(request)
        }))
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.lock().iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn add(&self, request: &extract::Request) {
        let mut requests = self.lock();
        if requests.len() == KEPT {
            requests.pop_front();
        }
        requests.push_back(Request {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
        });
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Request>> {
        // A panic under this lock leaves the data consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
