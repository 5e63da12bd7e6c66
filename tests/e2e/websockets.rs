//! Open `WebSocket` connections, and requests in parallel with them.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use h2::ext::Protocol;
use harness::client::{self, Client, WebSocket};
use harness::envoy::Envoy;
use http::{HeaderMap, Request};
use serde_json::json;
use tokio::net::TcpStream;

use crate::ecds::Live;
use crate::support::{bootstrap, envoy, generated_cookie, pods, session};

/// Opens a WebSocket, with this cookie if it is not empty. Returns the headers of the 101 response and the name of the
/// pod. The pod sends its name first.
async fn open(envoy: &Envoy, cookie: &str) -> (HeaderMap, WebSocket, String) {
    let cookies = [("cookie", cookie.as_bytes())];
    let headers = if cookie.is_empty() { &[] } else { cookies.as_slice() };
    let (headers, mut socket) = client::websocket(&format!("{}/ws", envoy.url()), headers).await.unwrap();
    let pod = text(&mut socket).await;
    (headers, socket, pod)
}

async fn text(socket: &mut WebSocket) -> String {
    socket.next().await.unwrap().unwrap().into_text().unwrap().to_string()
}

/// `name=value` of each `Set-Cookie`.
fn cookie_pairs(headers: &HeaderMap) -> Vec<&str> {
    let lines = headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
    lines.map(|line| line.split(';').next().unwrap()).collect()
}

#[tokio::test]
async fn a_websocket_meets_the_pod_of_its_session() {
    let pods = pods(4);
    let envoy = envoy(&pods, &generated_cookie(&pods, &json!({}))).await;
    for _ in 0..20 {
        let (cookie, pod) = session(&envoy).await;
        let (headers, mut socket, met) = open(&envoy, &cookie).await;
        assert_eq!(met, pod);
        assert_eq!(cookie_pairs(&headers), [""; 0], "the session has its cookie already");
        socket.send("hello".into()).await.unwrap();
        assert_eq!(text(&mut socket).await, format!("{pod}: hello"));
    }
}

#[tokio::test]
async fn a_session_that_begins_with_a_websocket_gets_its_cookie_on_the_101() {
    let pods = pods(4);
    let envoy = envoy(&pods, &generated_cookie(&pods, &json!({ "affinityCookieTtlSec": 50 }))).await;
    for _ in 0..10 {
        let (headers, _socket, pod) = open(&envoy, "").await;
        let [cookie] = cookie_pairs(&headers)[..] else { panic!("not one cookie: {headers:?}") };
        assert!(cookie.starts_with("GCLB="), "{cookie}");
        assert!(headers["set-cookie"].to_str().unwrap().ends_with("; Max-Age=50"), "{headers:?}");
        for _ in 0..5 {
            let polled = Client::http1_fresh().fetch_with_cookie(&envoy.url(), cookie).await.unwrap();
            assert_eq!(polled.pod, pod);
        }
        let (_, _, again) = open(&envoy, cookie).await;
        assert_eq!(again, pod);
    }
}

#[tokio::test]
async fn a_websocket_whose_pod_was_removed_gets_its_new_cookie_on_the_101() {
    let pods = pods(3);
    let mut plugin = generated_cookie(&pods, &json!({}));
    let mut live = Live::start(bootstrap(&pods), &plugin).await;
    let (cookie, gone) = session(&live.envoy).await;
    plugin["backends"].as_array_mut().unwrap().retain(|name| *name != gone.as_str());
    live.update(&plugin).await;
    let (headers, _socket, pod) = open(&live.envoy, &cookie).await;
    assert_ne!(pod, gone);
    let [moved] = cookie_pairs(&headers)[..] else { panic!("not one cookie: {headers:?}") };
    let polled = Client::http1_fresh().fetch_with_cookie(&live.envoy.url(), moved).await.unwrap();
    assert_eq!(polled.pod, pod);
}

#[tokio::test]
async fn a_websocket_outlives_its_session() {
    let pods = pods(2);
    let envoy = envoy(&pods, &generated_cookie(&pods, &json!({ "affinityCookieTtlSec": 1 }))).await;
    let (_, mut socket, pod) = open(&envoy, "").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    socket.send("still there".into()).await.unwrap();
    assert_eq!(text(&mut socket).await, format!("{pod}: still there"));
}

#[tokio::test]
async fn a_websocket_over_http2_meets_the_pod_of_its_session_or_begins_one() {
    let pods = pods(4);
    let plugin = generated_cookie(&pods, &json!({}));
    let config = bootstrap(&pods)
        .filter(&plugin)
        .hcm(|manager| manager["http2_protocol_options"] = json!({ "allow_connect": true }))
        .build();
    let envoy = Envoy::start(&config).await.unwrap();
    for _ in 0..10 {
        let begun = websocket_over_http2(&envoy, None).await;
        let [cookie] = cookie_pairs(&begun)[..] else { panic!("not one cookie: {begun:?}") };
        let polled = Client::http2().fetch_with_cookie(&envoy.url(), cookie).await.unwrap();
        assert_eq!(polled.pod, begun["x-pod"]);
        let again = websocket_over_http2(&envoy, Some(cookie)).await;
        assert_eq!(again["x-pod"], begun["x-pod"]);
        assert_eq!(cookie_pairs(&again), [""; 0]);
    }
}

/// Opens a WebSocket with an extended CONNECT (RFC 8441), and returns the headers of the response. The request has no
/// `Sec-WebSocket-Key`. Envoy adds none either, but its backend over HTTP/1.1 requires one.
async fn websocket_over_http2(envoy: &Envoy, cookie: Option<&str>) -> HeaderMap {
    let stream = TcpStream::connect(envoy.url().trim_start_matches("http://")).await.unwrap();
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut send = send.ready().await.unwrap();
    let mut request = Request::connect(format!("{}/ws", envoy.url()))
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    let request = request.extension(Protocol::from_static("websocket")).body(()).unwrap();
    let (response, _stream) = send.send_request(request, false).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    connection.abort();
    response.headers().clone()
}
