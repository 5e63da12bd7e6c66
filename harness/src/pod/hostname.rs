//! The responses of a demo pod.

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{AppendHeaders, Html, IntoResponse as _, Response};
use axum::routing::{any, get};

const PAGE: &str = include_str!("../../../demo/page.html");

pub(super) fn router(name: &str) -> Router {
    let [page_name, socket_name, drop_name, name] = [(); 4].map(|()| name.to_owned());
    Router::new()
        .route("/", any(async move |headers: HeaderMap| page_or_name(&headers, &page_name)))
        .route("/ws", get(async move |upgrade| websocket(upgrade, &socket_name)))
        .route("/drop-cookie", any(async move || drop_cookie(&drop_name)))
        .fallback(async move || whoami(&name))
}

fn whoami(name: &str) -> Response {
    ([("x-pod", name)], name.to_owned()).into_response()
}

fn page_or_name(headers: &HeaderMap, name: &str) -> Response {
    let wants_page = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|accept| accept.contains("text/html"));
    if wants_page {
        ([("x-pod", name), ("cache-control", "no-store")], Html(PAGE)).into_response()
    } else {
        whoami(name)
    }
}

/// Deletes the cookie. Only a server can delete it, because it is `HttpOnly`. The filter does not change an
/// application's own `Set-Cookie` with this name.
fn drop_cookie(name: &str) -> Response {
    let forget = AppendHeaders([(header::SET_COOKIE, HeaderValue::from_static("GCLB=; Max-Age=0; Path=/"))]);
    (forget, whoami(name)).into_response()
}

fn websocket(upgrade: WebSocketUpgrade, name: &str) -> Response {
    let mut response = upgrade.on_upgrade({
        let name = name.to_owned();
        async move |socket| echo(socket, &name).await
    });
    if let Ok(name) = HeaderValue::from_str(name) {
        response.headers_mut().insert("x-pod", name);
    }
    response
}

async fn echo(mut socket: WebSocket, name: &str) {
    let mut answer = name.to_owned();
    while socket.send(Message::text(answer)).await.is_ok() {
        answer = loop {
            match socket.recv().await {
                Some(Ok(Message::Text(text))) => break format!("{name}: {text}"),
                Some(Ok(Message::Binary(bytes))) => {
                    break format!("{name}: {}", String::from_utf8_lossy(&bytes));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            }
        };
    }
}
