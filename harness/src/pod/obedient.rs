//! A backend whose responses a test writes.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

/// The request header with the status to answer with.
const STATUS: &str = "x-answer-status";
/// The request headers with a header to answer with: `name: value`.
const HEADER: &str = "x-answer-header";

pub(super) fn router(name: &str) -> Router {
    let name = name.to_owned();
    Router::new().fallback(async move |headers: HeaderMap| answer(&headers, &name))
}

fn answer(request: &HeaderMap, name: &str) -> Response {
    let status = request.get(STATUS).and_then(|status| StatusCode::from_bytes(status.as_bytes()).ok());
    let status = status.unwrap_or(StatusCode::OK);
    let body = if status == StatusCode::NO_CONTENT { Body::empty() } else { Body::from(name.to_owned()) };
    let mut response = (status, body).into_response();
    for line in request.get_all(HEADER) {
        let bytes = line.as_bytes();
        let Some(colon) = bytes.windows(2).position(|pair| pair == b": ") else {
            continue;
        };
        let (field, value) = bytes.split_at(colon);
        let (Ok(field), Ok(value)) = (HeaderName::from_bytes(field), HeaderValue::from_bytes(&value[2..]))
        else {
            continue;
        };
        response.headers_mut().append(field, value);
    }
    response
}
