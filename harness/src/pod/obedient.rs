//! A backend whose responses are determined by the requests of a test.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

/// The request header with the status of the response.
const STATUS: &str = "x-answer-status";
/// The request header with a header of the response: `name: value`.
const HEADER: &str = "x-answer-header";
/// The request header with the name of the pod that follows the other headers. Without it, every pod does.
const ONLY: &str = "x-answer-only";
/// The request header with the number of lines in the response, one per second.
const LINES: &str = "x-answer-lines";
/// The request header with the delay of the response, in milliseconds.
const DELAY: &str = "x-answer-after-ms";

pub(super) fn router(name: &str) -> Router {
    let name = name.to_owned();
    Router::new().fallback(async move |headers: HeaderMap| {
        if headers.get(ONLY).is_some_and(|only| *only != name) {
            return name.clone().into_response();
        }
        if let Some(delay) = delay(&headers) {
            tokio::time::sleep(delay).await;
        }
        answer(&headers, &name)
    })
}

/// A body with this number of lines, one per second.
fn lines(request: &HeaderMap) -> Option<Body> {
    let count: u32 = request.get(LINES)?.to_str().ok()?.parse().ok()?;
    let lines = futures_util::stream::unfold(0, move |line| async move {
        if line == count {
            return None;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, Infallible>(format!("line {line}\n")), line + 1))
    });
    Some(Body::from_stream(lines))
}

fn delay(request: &HeaderMap) -> Option<Duration> {
    Some(Duration::from_millis(request.get(DELAY)?.to_str().ok()?.parse().ok()?))
}

fn answer(request: &HeaderMap, name: &str) -> Response {
    let status = request.get(STATUS).and_then(|status| StatusCode::from_bytes(status.as_bytes()).ok());
    let status = status.unwrap_or(StatusCode::OK);
    // A trailers-only response of gRPC has no body.
    let is_empty = status == StatusCode::NO_CONTENT || request.get_all(HEADER).iter().any(is_grpc_status);
    let body =
        if is_empty { Body::empty() } else { lines(request).unwrap_or_else(|| Body::from(name.to_owned())) };
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

fn is_grpc_status(line: &HeaderValue) -> bool {
    line.as_bytes().starts_with(b"grpc-status: ")
}
