//! How long sessions live. The test is about time, so it waits.

use std::time::{Duration, Instant};

use harness::client::{Client, Reply};
use serde_json::{Value, json};

use crate::support::{envoy, generated_cookie, outcome, pods};

/// The interval at which a session is used or checked.
const STEP: Duration = Duration::from_millis(50);

/// How much earlier or later than its limit a session may end. The filter's clock advances with Envoy's ticks: every
/// 200 ms, and somewhat later on a busy machine.
const SLACK: Duration = Duration::from_millis(250);

/// A client that keeps one cookie and records when its session began.
struct Visitor {
    client: Client,
    url: String,
    cookie: String,
    /// Before the first request was sent.
    earliest_start: Instant,
    /// After the first response came.
    latest_start: Instant,
    /// When the last request of a session that was still valid was sent.
    last_pinned: Instant,
    /// The number of responses that renewed the session.
    renewals: u128,
}

impl Visitor {
    async fn begin(url: &str) -> Self {
        let client = Client::http1();
        let earliest_start = Instant::now();
        let reply = client.fetch(url, &[]).await.unwrap();
        let cookie = reply.cookie_pair("GCLB").unwrap().to_owned();
        let latest_start = Instant::now();
        Self {
            client,
            url: url.to_owned(),
            cookie,
            earliest_start,
            latest_start,
            last_pinned: latest_start,
            renewals: 0,
        }
    }

    /// Sends the cookie and stores a new cookie of the same session, as a browser would.
    async fn visit(&mut self) -> Reply {
        let sent = Instant::now();
        let reply = self.client.fetch_with_cookie(&self.url, &self.cookie).await.unwrap();
        let pinned = outcome(&reply) == "pinned";
        if pinned {
            self.last_pinned = sent;
        }
        if let Some(renewed) = reply.cookie_pair("GCLB") {
            renewed.clone_into(&mut self.cookie);
            self.renewals += u128::from(pinned);
        }
        reply
    }

    /// Visits until the session is no longer pinned, and returns that reply.
    async fn visit_until_the_end(&mut self) -> Reply {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let reply = self.visit().await;
            if outcome(&reply) != "pinned" {
                return reply;
            }
            assert!(Instant::now() < deadline, "the session never ends");
            tokio::time::sleep(STEP).await;
        }
    }
}

fn max_age(reply: &Reply) -> u64 {
    let line = reply.set_cookie("GCLB").unwrap();
    line.split("; ").find_map(|part| part.strip_prefix("Max-Age=")).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_cookie_without_ttl_ends_with_the_browser() {
    let pods = pods(1);
    let envoy = envoy(&pods, &generated_cookie(&pods, &json!({ "affinityCookieTtlSec": 0 }))).await;
    let reply = Client::http1().fetch(&envoy.url(), &[]).await.unwrap();
    let line = reply.set_cookie("GCLB").unwrap();
    assert!(line.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{line}");
    assert!(!line.contains("Max-Age") && !line.contains("Expires"), "{line}");
}

#[tokio::test]
async fn a_session_ends_when_its_ttl_is_over_however_much_it_is_used() {
    tokio::join!(
        ends_with_its_ttl(2, json!({ "affinityCookieTtlSec": 2 })),
        ends_with_its_ttl(3, json!({ "affinityCookieTtlSec": 3, "idleTimeoutSec": 2 })),
    );
}

async fn ends_with_its_ttl(ttl: u64, life: Value) {
    let pods = pods(1);
    let envoy = envoy(&pods, &generated_cookie(&pods, &life)).await;
    let mut visitor = Visitor::begin(&envoy.url()).await;
    let end = visitor.visit_until_the_end().await;
    assert_eq!(outcome(&end), "expired");
    let over = visitor.earliest_start.elapsed();
    assert!(over + SLACK > Duration::from_secs(ttl), "{life}: over after {over:?}");
    let alive = visitor.last_pinned - visitor.latest_start;
    assert!(alive < Duration::from_secs(ttl) + SLACK, "{life}: alive after {alive:?}");
    assert_eq!(visitor.renewals > 0, life.get("idleTimeoutSec").is_some(), "{}", visitor.renewals);
    assert_eq!(max_age(&end), ttl, "a new session has its whole life before it");
    assert_eq!(outcome(&visitor.visit().await), "pinned", "and lives");
}

#[tokio::test]
async fn an_idle_timeout_ends_sessions_by_disuse_and_use_renews_them() {
    let pods = pods(1);
    let life = json!({ "affinityCookieTtlSec": 100, "idleTimeoutSec": 2 });
    let envoy = envoy(&pods, &generated_cookie(&pods, &life)).await;
    let url = envoy.url();
    let whole = Duration::from_millis(2600);
    let used_all_the_time = async {
        let mut visitor = Visitor::begin(&url).await;
        while visitor.latest_start.elapsed() < whole {
            let sent = Instant::now();
            let reply = visitor.visit().await;
            assert_eq!(outcome(&reply), "pinned");
            if !reply.set_cookies.is_empty() {
                assert_eq!(reply.set_cookies.len(), 1);
                let left = max_age(&reply);
                assert_eq!(
                    reply.set_cookies[0].split_once(';').unwrap().1,
                    format!(" Path=/; HttpOnly; SameSite=Lax; Max-Age={left}")
                );
                // The rest of the 100 s in whole seconds, rounded up.
                let youngest = (sent - visitor.latest_start).saturating_sub(Duration::from_millis(500));
                assert!(left >= 100 - visitor.earliest_start.elapsed().as_secs(), "{left}");
                assert!(left <= 100 - youngest.as_secs(), "{left} after {youngest:?}");
            }
            tokio::time::sleep(STEP).await;
        }
        let most = visitor.earliest_start.elapsed().as_millis() / 500;
        let renewals = visitor.renewals;
        assert!((1..=most).contains(&renewals), "{renewals} renewals in {most} quarters of the idle timeout");
    };
    let used_once_in_between = async {
        let mut visitor = Visitor::begin(&url).await;
        tokio::time::sleep(whole / 2).await;
        let reply = visitor.visit().await;
        assert_eq!((&*outcome(&reply), reply.set_cookies.len()), ("pinned", 1));
        tokio::time::sleep(whole / 2).await;
        assert_eq!(outcome(&visitor.visit().await), "pinned");
    };
    let used_by_nobody = async {
        let mut visitor = Visitor::begin(&url).await;
        tokio::time::sleep(whole).await;
        let reply = visitor.visit().await;
        assert_eq!((&*outcome(&reply), reply.set_cookies.len()), ("expired", 1));
        assert_eq!(max_age(&reply), 100);
    };
    tokio::join!(used_all_the_time, used_once_in_between, used_by_nobody);
}
