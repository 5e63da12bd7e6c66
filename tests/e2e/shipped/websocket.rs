//! envoy/websocket.yaml.

use futures_util::StreamExt as _;
use harness::client::{self, Client};

use crate::shipped_files::File;

#[tokio::test]
async fn in_the_websocket_file_polling_requests_and_the_websocket_of_a_session_meet() {
    let file = File::load("websocket.yaml");
    let envoy = file.start().await;
    for _ in 0..10 {
        // The sequence of socket.io: a poll begins the session, then more polls, then the upgrade, then a poll again.
        let poll = format!("{}/socket.io/?EIO=4&transport=polling", envoy.url());
        let first = Client::http1_fresh().fetch(&poll, &[]).await.unwrap();
        let cookie = first.cookie_pair("GCLB").unwrap();
        assert!(!first.set_cookie("GCLB").unwrap().contains("Max-Age"));
        for _ in 0..3 {
            let polled = Client::http1_fresh().fetch_with_cookie(&poll, cookie).await.unwrap();
            assert_eq!(polled.pod, first.pod);
        }
        let headers = [("cookie", cookie.as_bytes())];
        let (_, mut socket) = client::websocket(&format!("{}/ws", envoy.url()), &headers).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap().to_text().unwrap(), first.pod);
        let polled = Client::http1_fresh().fetch_with_cookie(&poll, cookie).await.unwrap();
        assert_eq!(polled.pod, first.pod);
    }
}

#[tokio::test]
async fn in_the_websocket_file_a_websocket_that_comes_back_to_a_dead_backend_is_taken_by_another_at_once() {
    let mut file = File::load("websocket.yaml");
    let envoy = file.start().await;
    let url = format!("{}/ws", envoy.url());
    let begun = Client::http1_fresh().fetch(&envoy.url(), &[]).await.unwrap();
    file.stop_pod(&begun.pod);
    let headers = [("cookie", begun.cookie_pair("GCLB").unwrap().as_bytes())];
    let (answer, mut socket) = client::websocket(&url, &headers).await.unwrap();
    let pod = socket.next().await.unwrap().unwrap().to_string();
    assert_ne!(pod, begun.pod);
    let cookie = answer["set-cookie"].to_str().unwrap().split(';').next().unwrap();
    let next = Client::http1_fresh().fetch_with_cookie(&envoy.url(), cookie).await.unwrap();
    assert_eq!(next.pod, pod);
}
