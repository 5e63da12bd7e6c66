//! Pods as in a cluster, and checks that sessions stay on them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64ct::Encoding as _;
use harness::client::{Client, Reply};
use harness::envoy::Envoy;
use harness::pod::Pod;
use http::Method;

/// The secret in the environment of every Envoy in these tests.
pub const SECRET: &str = "c2Vzc2lvbi1hZmZpbml0eS1kZXBsb3ktdGVzdHM9PT0=";

/// This many pods, all with the same port, each with its own address: 127.0.1.1, 127.0.1.2 and so on.
pub fn pods(count: u8) -> Vec<Pod> {
    // The port is free at the first address. Another test may use it at one of the other addresses.
    for _ in 0..100 {
        let first = start(1, 0).unwrap();
        let port = first.address().port();
        let others: Option<Vec<Pod>> = (2..=count).map(|number| start(number, port)).collect();
        if let Some(others) = others {
            return std::iter::once(first).chain(others).collect();
        }
    }
    panic!("no port is free at {count} addresses");
}

/// None if the port is in use.
fn start(number: u8, port: u16) -> Option<Pod> {
    Pod::obedient_at(&format!("neg-demo-app-{number}"), SocketAddr::from(([127, 0, 1, number], port))).ok()
}

/// Another pod in addition to these, with the same port.
pub fn another(pods: &[Pod]) -> Pod {
    start(u8::try_from(pods.len() + 1).unwrap(), pods[0].address().port()).unwrap()
}

/// A session: its cookie and its pod.
#[derive(Clone, Debug)]
pub struct Session {
    pub cookie: String,
    pub pod: String,
}

/// The response to a client with this cookie.
pub async fn fetch(envoy: &Envoy, cookie: &str) -> Reply {
    Client::http1_fresh().fetch_with_cookie(&envoy.url(), cookie).await.unwrap()
}

/// Begins this many sessions, and checks that they reach each of this many pods. 60 sessions miss one of three pods
/// once in ten billion runs.
pub async fn begin(envoy: &Envoy, count: usize, pods: usize) -> Vec<Session> {
    let mut sessions = Vec::new();
    for _ in 0..count {
        let reply = Client::http1_fresh().fetch(&envoy.url(), &[]).await.unwrap();
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("x-affinity-endpoint"), None);
        let cookie = reply.cookie_pair("GCLB").expect("a session begins").to_owned();
        sessions.push(Session { cookie, pod: reply.pod });
    }
    let reached: BTreeSet<&str> = sessions.iter().map(|session| session.pod.as_str()).collect();
    assert_eq!(reached.len(), pods, "{reached:?}");
    sessions
}

/// The pod of each session serves the session's next requests, and no response sets a new cookie.
pub async fn stay(envoy: &Envoy, sessions: &[Session]) {
    for session in sessions {
        for _ in 0..3 {
            let reply = fetch(envoy, &session.cookie).await;
            assert_eq!((reply.status.as_u16(), &reply.pod), (200, &session.pod));
            assert_eq!(reply.set_cookies.len(), 0);
        }
    }
}

/// Another pod serves the session's next request, whatever its method. The session stays on that pod.
pub async fn moves(envoy: &Envoy, session: &Session) -> Session {
    let posted = Client::http1_fresh().request(Method::POST, &envoy.url()).header("cookie", &session.cookie);
    let posted = Reply::to(posted.body("twice?")).await.unwrap();
    assert_eq!(posted.status, 200);
    let reply = fetch(envoy, &session.cookie).await;
    assert_eq!(reply.status, 200);
    assert!(posted.pod != session.pod && reply.pod != session.pod);
    let cookie = reply.cookie_pair("GCLB").expect("the client is told").to_owned();
    let moved = Session { cookie, pod: reply.pod };
    stay(envoy, std::slice::from_ref(&moved)).await;
    moved
}

/// A stream of 20 seconds arrives complete. That is longer than Envoy's default limit for a response.
pub async fn long_answers_pass(envoy: &Envoy) {
    let stream = Client::http1().get(&envoy.url()).header("x-answer-lines", "20");
    let reply = Reply::to(stream).await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.pod.lines().count()), (200, 20), "{}", reply.pod);
}

/// Envoy's metrics for Prometheus, once they contain this counter or gauge. The filter's numbers may lag by a second.
pub async fn metrics(envoy: &Envoy, wanted: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let metrics = envoy.admin_get("/stats/prometheus").await.unwrap();
        if metrics.lines().any(|line| line.starts_with(wanted) && !line.ends_with(" 0")) {
            return metrics;
        }
        assert!(Instant::now() < deadline, "no {wanted}:\n{metrics}");
    }
}

/// A client that sends a pod's address in one of the filter's headers does not reach that pod. Pods do not see such
/// headers.
pub async fn headers_of_clients_count_for_nothing(envoy: &Envoy, pods: &[Pod]) {
    for pod in pods {
        pod.clear_requests();
    }
    let wanted = base64ct::Base64::encode_string(pods[0].address().to_string().as_bytes());
    let headers = [("x-affinity-endpoint", wanted.as_bytes()), ("x-affinity-cluster", b"elsewhere")];
    let mut reached = BTreeSet::new();
    for _ in 0..40 {
        let reply = Client::http1_fresh().fetch(&envoy.url(), &headers).await.unwrap();
        assert_eq!(reply.status, 200);
        reached.insert(reply.pod);
    }
    assert!(reached.len() > 1, "{reached:?}");
    for request in pods.iter().flat_map(Pod::requests) {
        for name in ["x-affinity-endpoint", "x-affinity-cluster"] {
            assert!(request.header(name).is_empty(), "{request:?}");
        }
    }
}
