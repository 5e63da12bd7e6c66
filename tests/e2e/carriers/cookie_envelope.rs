//! `COOKIE_ENVELOPE`: the application's own session cookie carries the pin.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use harness::client::{Client, Reply};
use harness::config::{Bootstrap, stateful_session};
use harness::envoy::Envoy;
use harness::pod::{Pod, RawPod};
use http::Method;
use serde_json::{Value, json};

use crate::endpoints::fleet::keys;
use crate::raw::exchange;
use crate::support::{bootstrap, envoy, names, outcome};
use crate::workers::assert_no_vm_failed;

/// An application that keeps its sessions in memory: other instances do not know a session that begins at login.
fn application(name: &str) -> Pod {
    type Sessions = Arc<Mutex<HashSet<String>>>;
    let sessions = Sessions::default();
    let named = |headers: &HeaderMap| {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut cookies = cookies.flat_map(|line| line.split("; "));
        cookies.find_map(|cookie| cookie.strip_prefix("connect.sid=")).map(str::to_owned)
    };
    let (at, text) = (name.to_owned(), name.to_owned());
    let log_in = async move |State(sessions): State<Sessions>| {
        let mut sessions = sessions.lock().unwrap();
        // The signature format of express-session.
        let session = format!("s%3A{at}-{}.Zm9v/YmFy+PT0=", sessions.len());
        sessions.insert(session.clone());
        let line = format!("connect.sid={session}; Path=/; HttpOnly; SameSite=Lax");
        ([(header::SET_COOKIE, line)], at.clone()).into_response()
    };
    let me = async move |State(sessions): State<Sessions>, headers: HeaderMap| {
        let known = named(&headers).is_some_and(|session| sessions.lock().unwrap().contains(&session));
        if known { text.clone().into_response() } else { StatusCode::UNAUTHORIZED.into_response() }
    };
    let log_out = async || {
        let line = "connect.sid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
        ([(header::SET_COOKIE, line)], "bye").into_response()
    };
    let router = Router::new()
        .route("/login", post(log_in))
        .route("/me", get(me))
        .route("/logout", post(log_out))
        .fallback(async || "anonymous")
        .with_state(sessions);
    Pod::with_router(name, router).unwrap()
}

fn plugin(backends: &Value) -> Value {
    json!({
        "sessionAffinity": { "affinityType": "COOKIE_ENVELOPE", "cookie": { "name": "connect.sid" } },
        "backends": backends,
        "keys": keys(),
        "debugHeader": "x-debug",
    })
}

async fn send(client: &Client, method: Method, envoy: &Envoy, path: &str) -> Reply {
    Reply::to(client.request(method, &format!("{}{path}", envoy.url()))).await.unwrap()
}

/// The number of 401 responses for 50 browsers that log in, use their session and log out.
async fn strangers(envoy: &Envoy) -> usize {
    let mut strangers = 0;
    for _ in 0..50 {
        let browser = Client::jar();
        send(&browser, Method::GET, envoy, "/").await;
        let logged_in = send(&browser, Method::POST, envoy, "/login").await;
        for _ in 0..4 {
            let me = send(&browser, Method::GET, envoy, "/me").await;
            if me.status == 401 {
                strangers += 1;
            } else {
                assert_eq!((me.status.as_u16(), &me.pod), (200, &logged_in.pod));
                assert_eq!(me.set_cookies, [""; 0]);
            }
        }
        let bye = send(&browser, Method::POST, envoy, "/logout").await;
        assert_eq!(bye.set_cookies, ["connect.sid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]);
        assert_eq!(send(&browser, Method::GET, envoy, "/me").await.status, 401);
    }
    strangers
}

#[tokio::test]
async fn fifty_browsers_stay_on_the_instance_that_logged_them_in_and_without_the_filter_they_do_not() {
    let pods: Vec<Pod> = (0..3).map(|index| application(&format!("neg-demo-{index}"))).collect();
    let sticky = envoy(&pods, &plugin(&names(&pods))).await;
    assert_eq!(strangers(&sticky).await, 0);
    assert_no_vm_failed(&sticky).await;
    let random = envoy(&pods, &json!({ "backends": names(&pods) })).await;
    assert!(strangers(&random).await > 50);
}

#[tokio::test]
async fn with_endpoint_pins_too_they_stay() {
    let pods: Vec<Pod> = (0..3).map(|index| application(&format!("pod-{index}"))).collect();
    let addresses: Vec<_> = pods.iter().map(Pod::address).collect();
    for pin in ["ENDPOINT", "CLUSTER_AND_ENDPOINT"] {
        let mut plugin = plugin(&json!(["app"]));
        plugin["pin"] = json!(pin);
        let mut route =
            json!({ "match": { "prefix": "/" }, "route": { "cluster_header": "x-affinity-cluster" } });
        if pin == "ENDPOINT" {
            plugin.as_object_mut().unwrap().remove("backends");
            route["route"] = json!({ "cluster": "app" });
        }
        let config = Bootstrap::new().cluster("app", &addresses).route(route).filter(&plugin);
        let envoy = Envoy::start(&config.http_filter(stateful_session(false)).build()).await.unwrap();
        assert_eq!(strangers(&envoy).await, 0, "{pin}");
    }
}

/// Pods with responses that the test defines.
fn obedient(count: usize) -> Vec<Pod> {
    (0..count).map(|index| Pod::obedient(&format!("neg-demo-{index}")).unwrap()).collect()
}

/// A request with this `Cookie`. The application responds with these `Set-Cookie` lines.
async fn call(envoy: &Envoy, cookie: Option<&[u8]>, lines: &[&[u8]]) -> Reply {
    let lines: Vec<Vec<u8>> = lines.iter().map(|line| [b"Set-Cookie: ", *line].concat()).collect();
    let mut headers: Vec<(&str, &[u8])> = lines.iter().map(|line| ("x-answer-header", &line[..])).collect();
    headers.extend(cookie.map(|cookie| ("cookie", cookie)));
    Client::http1_fresh().fetch(&envoy.url(), &headers).await.unwrap()
}

fn application_got(pods: &[Pod], reply: &Reply) -> Vec<Vec<u8>> {
    pods.iter().find(|pod| pod.name() == reply.pod).unwrap().last_request().header("cookie")
}

#[tokio::test]
async fn the_application_sees_its_own_cookie_byte_for_byte_and_attributes_pass_byte_for_byte() {
    let pods = obedient(3);
    // Without detection, the filter has no other reason to process a response.
    let mut plugin = plugin(&names(&pods));
    plugin["outlierDetection"] = json!({ "consecutiveLocalOriginFailure": 0 });
    let envoy = envoy(&pods, &plugin).await;
    for (line, value, attributes) in [
        ("connect.sid=abc", "abc", ""),
        ("connect.sid=s%3Aa.b+/=; Path=/app; HttpOnly", "s%3Aa.b+/=", "; Path=/app; HttpOnly"),
        ("connect.sid=\"a b\" ;PATH=/; max-age=60;x", "\"a b\"", " ;PATH=/; max-age=60;x"),
    ] {
        let other: &[u8] = b"theme=dark; Path=/";
        let begun = call(&envoy, Some(b"a=1"), &[other, line.as_bytes()]).await;
        assert_eq!(outcome(&begun), "none");
        let [first, wrapped] = &begun.set_cookies[..] else { panic!("{:?}", begun.set_cookies) };
        assert_eq!(first.as_bytes(), other);
        assert_eq!(begun.header("cache-control").unwrap(), "private");
        let envelope = wrapped.strip_prefix("connect.sid=").unwrap().strip_suffix(attributes).unwrap();
        assert!(!envelope.contains(value), "{wrapped}");
        let cookie = format!("a=1;connect.sid={envelope} ;b=\"2, 3\"");
        for _ in 0..5 {
            let pinned = call(&envoy, Some(cookie.as_bytes()), &[]).await;
            assert_eq!((&*outcome(&pinned), &pinned.pod), ("pinned", &begun.pod));
            let expected = format!("a=1;connect.sid={value};b=\"2, 3\"");
            assert_eq!(application_got(&pods, &pinned), [expected.into_bytes()]);
            assert_eq!((pinned.set_cookies.len(), pinned.header("cache-control")), (0, None));
        }
        // Another value is another session on the same backend.
        let again = call(&envoy, Some(cookie.as_bytes()), &[b"connect.sid=new"]).await;
        let renewed = call(&envoy, Some(again.cookie_pair("connect.sid").unwrap().as_bytes()), &[]).await;
        assert_eq!(
            (&renewed.pod, &application_got(&pods, &renewed)[0][..]),
            (&begun.pod, &b"connect.sid=new"[..])
        );
    }
    assert_no_vm_failed(&envoy).await;
}

#[tokio::test]
async fn a_cookie_that_is_no_envelope_is_forwarded_and_stays_in_one_place() {
    let pods = obedient(3);
    let envoy = envoy(&pods, &plugin(&names(&pods))).await;
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for index in 0..20 {
        let cookie = format!("connect.sid=from-before-{index}");
        for _ in 0..5 {
            let reply = call(&envoy, Some(cookie.as_bytes()), &[]).await;
            assert_eq!(outcome(&reply), "invalid");
            assert_eq!(application_got(&pods, &reply), [cookie.clone().into_bytes()]);
            places.entry(cookie.clone()).or_default().insert(reply.pod);
        }
    }
    assert!(places.values().all(|pods| pods.len() == 1), "{places:?}");
    let all: BTreeSet<_> = places.into_values().flatten().collect();
    assert!(all.len() > 1);
}

#[tokio::test]
async fn hostile_cookies_reach_the_application_as_they_came_and_hurt_nobody() {
    let pods = obedient(2);
    let envoy = envoy(&pods, &plugin(&names(&pods))).await;
    let begun = call(&envoy, None, &[b"connect.sid=abc"]).await;
    let good = begun.cookie_pair("connect.sid").unwrap().to_owned();
    let (huge, truncated) =
        (format!("connect.sid={}", "A".repeat(20_000)), good[..good.len() - 1].to_owned());
    let mut forged = good.clone();
    forged.replace_range(40..41, if &good[40..41] == "A" { "B" } else { "A" });
    let many = vec!["connect.sid=x"; 300].join("; ");
    let hostile: [&[u8]; 8] = [
        huge.as_bytes(),
        truncated.as_bytes(),
        forged.as_bytes(),
        many.as_bytes(),
        b"connect.sid=\xff\xfe",
        b"connect.sid=",
        b"connect.sid=\"",
        b";;;connect.sid==;",
    ];
    for cookie in hostile {
        let reply = call(&envoy, Some(cookie), &[]).await;
        assert_eq!(reply.status, 200);
        assert_ne!(outcome(&reply), "pinned");
        assert_eq!(application_got(&pods, &reply), [cookie.to_vec()]);
    }
    // A valid cookie among them counts, and is opened in place.
    let mixed = [b"connect.sid=x; ", good.as_bytes(), b"; connect.sid=\xff"].concat();
    let pinned = call(&envoy, Some(&mixed), &[]).await;
    assert_eq!((&*outcome(&pinned), &pinned.pod), ("pinned", &begun.pod));
    assert_eq!(
        application_got(&pods, &pinned),
        [b"connect.sid=x; connect.sid=abc; connect.sid=\xff".to_vec()]
    );
    assert_no_vm_failed(&envoy).await;
}

/// By default Envoy accepts 100 header lines from a backend.
#[tokio::test]
async fn of_200_set_cookie_lines_only_the_sessions_own_changes() {
    let lines = "Set-Cookie: a=1; Path=/\r\n".repeat(199) + "Set-Cookie: connect.sid=x\r\n";
    let answer = format!("HTTP/1.1 200 OK\r\n{lines}content-length: 0\r\n\r\n");
    let pod = RawPod::start(answer.into_bytes()).unwrap();
    let mut cluster = harness::config::cluster("neg-demo-0", &[pod.address()]);
    cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"] = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": { "max_headers_count": 500 },
        "explicit_http_config": { "http_protocol_options": {} },
    });
    let config = Bootstrap::new().cluster_json(cluster).filter(&plugin(&json!(["neg-demo-0"])));
    let envoy = Envoy::start(&config.build()).await.unwrap();
    let answer = exchange(&envoy, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let answer = String::from_utf8(answer).unwrap();
    let lines: Vec<&str> = answer.lines().filter_map(|line| line.strip_prefix("set-cookie: ")).collect();
    let (last, others) = lines.split_last().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!((others.len(), others.iter().all(|line| *line == "a=1; Path=/")), (199, true));
    assert!(last.starts_with("connect.sid=") && last.len() > 60, "{last}");
    assert_no_vm_failed(&envoy).await;
}

#[tokio::test]
async fn a_cookie_too_long_for_browsers_goes_out_as_it_is_with_one_warning() {
    let pods = obedient(2);
    let envoy = envoy(&pods, &plugin(&names(&pods))).await;
    let line = format!("connect.sid={}; Path=/", "x".repeat(3_500));
    for _ in 0..10 {
        assert_eq!(call(&envoy, None, &[line.as_bytes()]).await.set_cookies, std::slice::from_ref(&line));
    }
    let said = "the cookie connect.sid of the application is too long to be wrapped";
    assert_eq!(envoy.log().matches(said).count(), 1, "{}", envoy.log_excerpt());
}

#[tokio::test]
async fn a_session_whose_backend_is_gone_moves_and_the_client_learns_it_with_the_next_cookie() {
    let pods = obedient(3);
    let config = bootstrap(&pods);
    let all = Envoy::start(&config.filter(&plugin(&names(&pods))).build()).await.unwrap();
    let begun = call(&all, None, &[b"connect.sid=abc"]).await;
    let cookie = begun.cookie_pair("connect.sid").unwrap().to_owned();
    let others: Value = pods.iter().map(Pod::name).filter(|name| *name != begun.pod).collect();
    let rest = Envoy::start(&bootstrap(&pods).filter(&plugin(&others)).build()).await.unwrap();
    let moved = call(&rest, Some(cookie.as_bytes()), &[]).await;
    assert_eq!((&*outcome(&moved), moved.set_cookies.len()), ("repinned", 0));
    let told = call(&rest, Some(cookie.as_bytes()), &[b"connect.sid=abc"]).await;
    assert_eq!((&*outcome(&told), &told.pod), ("repinned", &moved.pod));
    let pinned = call(&rest, Some(told.cookie_pair("connect.sid").unwrap().as_bytes()), &[]).await;
    assert_eq!((&*outcome(&pinned), &pinned.pod), ("pinned", &moved.pod));
}
