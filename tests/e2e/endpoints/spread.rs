//! Five hundred endpoints and ten thousand sessions: the filter leaves the spread to Envoy.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use harness::config::stateful_session;
use harness::envoy::Envoy;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::fleet::{Fleet, endpoint, pin_endpoint};

const ENDPOINTS: u32 = 500;
const SESSIONS: usize = 10_000;
const CONNECTIONS: usize = 16;

/// One server on this many addresses of the loopback network. It responds to each request with the address and does as
/// little as possible. It keeps no connection open, so that few file descriptors are enough.
async fn server() -> Vec<SocketAddr> {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    (1..=ENDPOINTS).map(|index| (Ipv4Addr::from(0x7f01_0000 + index), port).into()).collect()
}

async fn answer(stream: TcpStream) {
    let address = stream.local_addr().unwrap().ip().to_string();
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
            return;
        }
    }
    let answer =
        format!("HTTP/1.1 200 OK\r\nx-address: {address}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    // Envoy may have closed the connection, which does not matter here.
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// The result of one request.
#[derive(Clone, Debug, Default)]
struct Answer {
    address: String,
    cookie: Option<String>,
}

/// Sends a request with each of these cookies, or without a cookie, over several connections.
async fn fetch_each(envoy: &Envoy, path: &'static str, cookies: Vec<Option<String>>) -> Vec<Answer> {
    let address = envoy.address("http").unwrap();
    let mut lanes = Vec::new();
    for lane in 0..CONNECTIONS {
        let cookies: Vec<_> = cookies.iter().skip(lane).step_by(CONNECTIONS).cloned().collect();
        lanes.push(tokio::spawn(async move {
            let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
            let mut answers = Vec::new();
            for cookie in cookies {
                let cookie = cookie.map(|pair| format!("cookie: {pair}\r\n")).unwrap_or_default();
                let request = format!("GET {path} HTTP/1.1\r\nhost: app\r\n{cookie}\r\n");
                stream.write_all(request.as_bytes()).await.unwrap();
                answers.push(read(&mut stream).await);
            }
            answers
        }));
    }
    let mut answers = vec![Answer::default(); cookies.len()];
    for (lane, task) in lanes.into_iter().enumerate() {
        for (index, answer) in task.await.unwrap().into_iter().enumerate() {
            answers[lane + index * CONNECTIONS] = answer;
        }
    }
    answers
}

async fn read(stream: &mut BufReader<TcpStream>) -> Answer {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).await.unwrap() > 0, "no answer but {head:?}");
    }
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.split(';').next());
    Answer {
        address: header("x-address: ").unwrap().to_owned(),
        cookie: header("set-cookie: ").map(str::to_owned),
    }
}

/// The number of responses from each address, in ascending order.
fn counts(answers: &[Answer]) -> Vec<i64> {
    let mut by_address: BTreeMap<&str, i64> = BTreeMap::new();
    for answer in answers {
        *by_address.entry(&answer.address).or_default() += 1;
    }
    let mut counts: Vec<i64> = by_address.into_values().collect();
    counts.resize(ENDPOINTS.try_into().unwrap(), 0);
    counts.sort_unstable();
    counts
}

/// Sessions on the route `/`. The route `/bare` has no filter.
async fn start(addresses: &[SocketAddr], balancer: &str) -> Fleet {
    let route = |prefix: &str, off: Value| json!({ "match": { "prefix": prefix }, "route": { "cluster": "pods" }, "typed_per_filter_config": off });
    let off = json!({ "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true });
    let both = json!({ "session_affinity": off, "envoy.filters.http.stateful_session": off });
    let endpoints: Vec<_> = addresses.iter().map(|address| endpoint(*address, "HEALTHY")).collect();
    Fleet::start(
        &endpoints,
        &pin_endpoint(),
        |bootstrap| {
            let bootstrap = bootstrap.http_filter(stateful_session(false));
            bootstrap.route(route("/bare", both)).route(route("/", json!({})))
        },
        |cluster| cluster["lb_policy"] = json!(balancer),
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_sessions_spread_over_five_hundred_endpoints_as_envoy_spreads_requests_and_stay() {
    let addresses = server().await;
    // The balancer with the least randomness, so that two spreads can be compared endpoint by endpoint.
    let fleet = start(&addresses, "ROUND_ROBIN").await;
    let bare = counts(&fetch_each(&fleet.envoy, "/bare", vec![None; SESSIONS]).await);
    let sessions = fetch_each(&fleet.envoy, "/", vec![None; SESSIONS]).await;
    // The difference is at most a tenth of the twenty sessions per endpoint, even for the fullest and the emptiest
    // endpoint.
    for (with, without) in counts(&sessions).into_iter().zip(bare) {
        assert!((with - without).abs() <= 2, "{with} sessions where without the filter there are {without}");
    }
    let cookies: Vec<_> = sessions.iter().map(|answer| answer.cookie.clone()).collect();
    assert!(cookies.iter().all(Option::is_some));
    let again = fetch_each(&fleet.envoy, "/", cookies).await;
    for (session, again) in sessions.iter().zip(&again) {
        assert_eq!((&again.address, &again.cookie), (&session.address, &None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_shipped_balancer_ten_thousand_sessions_spread_as_requests_do_without_the_filter() {
    let addresses = server().await;
    // This balancer picks two endpoints at random, and of these the one with fewer active requests.
    let fleet = start(&addresses, "LEAST_REQUEST").await;
    let bare = counts(&fetch_each(&fleet.envoy, "/bare", vec![None; SESSIONS]).await);
    let with = counts(&fetch_each(&fleet.envoy, "/", vec![None; SESSIONS]).await);
    // The number of sessions of a single endpoint varies from run to run. The emptiest tenth of the endpoints has about
    // as many sessions as requests without the filter. So has each further tenth. The difference per endpoint is at
    // most a tenth of the twenty sessions. By chance alone, the difference is larger once in 100,000 runs.
    let tenth = addresses.len() / 10;
    for (place, (with, bare)) in with.chunks(tenth).zip(bare.chunks(tenth)).enumerate() {
        let (with, bare): (i64, i64) = (with.iter().sum(), bare.iter().sum());
        let apart = (with - bare).abs();
        assert!(
            apart <= 2 * i64::try_from(tenth).unwrap(),
            "tenth {place}: {with} sessions where without the filter there are {bare}"
        );
    }
}
