//! envoy/websocket.yaml.

use futures_util::StreamExt as _;
use harness::client::{self, Client};

use crate::shipped_files::File;

#[tokio::test]
async fn in_the_websocket_file_polling_requests_and_the_websocket_of_a_session_meet() {
    let file = File::load("websocket.yaml");
    let envoy = file.start().await;
    for _ in 0..10 {
        // As socket.io does: a poll begins the session, more polls, then the upgrade, then a poll again.
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
