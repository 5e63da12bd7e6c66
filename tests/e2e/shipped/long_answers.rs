//! Slow responses through every file.

use harness::client::Client;
use harness::envoy::Envoy;
use http::header::HOST;

use crate::shipped_files::{File, names};

/// All files except those of MCP serve any path. The hosts are those of ingress.yaml.
async fn fetch(envoy: &Envoy, name: &str, header: (&str, &str)) -> (u16, String) {
    let client = Client::http1();
    let mut request = client.get(&envoy.url()).header(header.0, header.1);
    if name == "ingress.yaml" {
        request = request.header(HOST, "service-a.example.com");
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a minute: cargo xtask test --soak"]
async fn a_stream_of_60_seconds_and_a_get_of_20_seconds_pass_through_every_file() {
    let of_file = |name: String| async move {
        let file = File::load_obedient(&name);
        let envoy = file.start().await;
        let (stream, slow) = tokio::join!(
            fetch(&envoy, &name, ("x-answer-lines", "60")),
            fetch(&envoy, &name, ("x-answer-after-ms", "20000"))
        );
        assert_eq!((stream.0, stream.1.lines().count()), (200, 60), "{name}: the stream");
        assert_eq!(slow.0, 200, "{name}: the slow answer: {}", slow.1);
    };
    futures_util::future::join_all(names().into_iter().map(of_file)).await;
}
