//! Tests for every application that keeps sessions in memory and has its own session cookie.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

use anyhow::Result;
use futures_util::future::join_all;

use crate::browsing::{Visitor, expect};
use crate::envoy::{self, Pin};
use crate::instance::Instances;
use crate::tap::Tap;

/// The number of people who visit at the same time.
const VISITORS: usize = 50;

/// The number of pages that each visitor opens before the login.
pub const ANONYMOUS_PAGES: usize = 3;

/// Three instances of an application.
pub struct Application {
    /// The heading of its configuration in docs/works-with.md.
    pub recipe: &'static str,
    /// The application's session cookie.
    pub cookie: &'static str,
    /// Whether the application deletes that cookie.
    pub deletes: Deletes,
    /// The instances. They must run as long as the tests.
    pub instances: Instances,
}

/// Whether the application deletes its cookie when a visitor logs out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Deletes {
    AtLogOut,
    Never,
}

impl Application {
    /// Runs `visit` for 50 visitors, with each pin and without the filter. `visit` begins with [`ANONYMOUS_PAGES`]
    /// pages that need no session. Then the visitor logs in, uses the session and logs out. `visit` fails if the
    /// application has forgotten the visitor.
    pub async fn test(&self, visit: impl AsyncFn(&Visitor) -> Result<()>) {
        let taps = join_all(self.instances.addresses().into_iter().map(Tap::start)).await;
        let addresses: Vec<SocketAddr> = taps.iter().map(Tap::address).collect();
        let recipe = envoy::recipe(self.recipe);
        for pin in [Pin::Cluster, Pin::Endpoint, Pin::ClusterAndEndpoint] {
            let started = Instant::now();
            let envoy = envoy::with_filter(pin, &recipe, &addresses).await;
            taps.iter().for_each(Tap::clear);
            let visitors = visitors(&envoy.url());
            let visits = join_all(visitors.iter().map(async |visitor| visit(visitor).await)).await;
            for visit in visits {
                visit.unwrap_or_else(|error| panic!("with pin {pin:?} a visitor is forgotten: {error:#}"));
            }
            self.assert_values_came_back_byte_for_byte(&taps, pin);
            self.assert_only_values_changed_on_the_way_out(&taps, &visitors, pin);
            self.assert_anonymous_visitors_spread(&taps, pin);
            envoy::assert_filter_is_well(&envoy).await;
            eprintln!("{}: {VISITORS} visitors with pin {pin:?} in {:.1?}", self.cookie, started.elapsed());
        }

        let bare = envoy::without_filter(&addresses).await;
        let visitors = visitors(&bare.url());
        let visits = join_all(visitors.iter().map(async |visitor| visit(visitor).await)).await;
        let forgotten = visits.iter().filter(|visit| visit.is_err()).count();
        eprintln!("{}: without the filter {forgotten} of {VISITORS} visitors are forgotten", self.cookie);
        // Each visit needs its own instance at least five times. By chance, it reaches that instance once in three
        // times.
        assert!(forgotten >= 45, "without the filter only {forgotten} of {VISITORS} visitors are forgotten");
    }

    /// 50 visitors log in, and one instance ends. Its visitors get `logged_out` instead of `logged_in` from the page at
    /// `path`, and no error. All other visitors notice nothing. Visitors who log in again stay logged in.
    pub async fn test_the_end_of_an_instance(
        mut self,
        log_in: impl AsyncFn(&Visitor) -> Result<()>,
        path: &str,
        logged_in: &str,
        logged_out: &str,
    ) {
        let mut taps = join_all(self.instances.addresses().into_iter().map(Tap::start)).await;
        let addresses: Vec<SocketAddr> = taps.iter().map(Tap::address).collect();
        let envoy = envoy::with_filter(Pin::Endpoint, &envoy::recipe(self.recipe), &addresses).await;
        let visitors = visitors(&envoy.url());
        for visit in join_all(visitors.iter().map(async |visitor| log_in(visitor).await)).await {
            visit.unwrap();
        }
        taps.iter().for_each(Tap::clear);
        for page in join_all(visitors.iter().map(async |visitor| visitor.open(path).await)).await {
            expect(&page.unwrap(), logged_in).unwrap();
        }
        let cookies = taps[0].requests("cookie");
        let on_it: BTreeSet<&str> = cookies.iter().filter_map(|line| self.value_among(line)).collect();
        self.instances.end_first();
        taps[0].close().await;
        let mut moved = 0;
        for visitor in &visitors {
            let page = visitor.open(path).await.unwrap();
            if page.contains(logged_out) {
                moved += 1;
                log_in(visitor).await.unwrap();
            } else {
                expect(&page, logged_in).unwrap();
            }
        }
        assert_eq!(moved, on_it.len(), "visitors who have to log in again");
        assert!(moved > 0 && moved < VISITORS, "{moved} visitors have to log in again");
        eprintln!("{}: {moved} of {VISITORS} visitors have to log in again", self.cookie);
        for visitor in &visitors {
            expect(&visitor.open(path).await.unwrap(), logged_in).unwrap();
        }
    }

    /// Each instance received every session that it had begun, byte for byte, and no session of another instance.
    fn assert_values_came_back_byte_for_byte(&self, taps: &[Tap], pin: Pin) {
        for tap in taps {
            let lines = tap.responses("set-cookie");
            let set: BTreeSet<&str> =
                lines.iter().filter_map(|line| self.value_and_rest(line)).map(|(value, _)| value).collect();
            let lines = tap.requests("cookie");
            let got: BTreeSet<&str> = lines.iter().filter_map(|line| self.value_among(line)).collect();
            let strange: Vec<_> = got.difference(&set).collect();
            assert!(
                strange.is_empty(),
                "with pin {pin:?} an instance got values that it never set: {strange:?}"
            );
            assert!(got.len() > 5, "with pin {pin:?} an instance got {} values", got.len());
        }
    }

    /// Visitors received every line that the instances had written. Only the value has changed. Lines that delete the
    /// cookie are identical to the last byte.
    fn assert_only_values_changed_on_the_way_out(&self, taps: &[Tap], visitors: &[Visitor], pin: Pin) {
        let written: Vec<String> = taps.iter().flat_map(|tap| tap.responses("set-cookie")).collect();
        let received: Vec<String> = visitors.iter().flat_map(Visitor::set_cookies).collect();
        let (written_deletions, written) = self.deletions_and_rests(&written);
        let (received_deletions, received) = self.deletions_and_rests(&received);
        assert_eq!((&written_deletions, written), (&received_deletions, received), "with pin {pin:?}");
        let expected = if self.deletes == Deletes::AtLogOut { VISITORS } else { 0 };
        assert_eq!(written_deletions.len(), expected, "with pin {pin:?}: {written_deletions:?}");
    }

    fn assert_anonymous_visitors_spread(&self, taps: &[Tap], pin: Pin) {
        for tap in taps {
            let (requests, cookies) = (tap.requests("host").len(), tap.requests("cookie"));
            let with_session = cookies.iter().filter(|line| self.value_among(line).is_some()).count();
            let anonymous = requests - with_session;
            // On average, a third of the visitors.
            let least = VISITORS * ANONYMOUS_PAGES / 6;
            assert!(
                anonymous >= least,
                "with pin {pin:?} an instance got {anonymous} requests without a session"
            );
        }
    }

    /// The session's value in a `Cookie` line.
    fn value_among<'a>(&self, cookies: &'a str) -> Option<&'a str> {
        cookies.split("; ").find_map(|cookie| cookie.strip_prefix(self.cookie)?.strip_prefix('='))
    }

    /// The session's value in a `Set-Cookie` line, and the text after that value.
    fn value_and_rest<'a>(&self, line: &'a str) -> Option<(&'a str, &'a str)> {
        let rest = line.strip_prefix(self.cookie)?.strip_prefix('=')?;
        Some(rest.split_at(rest.find(';').unwrap_or(rest.len())))
    }

    /// Splits these `Set-Cookie` lines into two lists: the lines that delete the session cookie, complete, and the
    /// other lines without the session's value. Both lists are sorted.
    fn deletions_and_rests(&self, lines: &[String]) -> (Vec<String>, Vec<String>) {
        let deletes = |line: &&String| line.starts_with(self.cookie) && line.contains("01 Jan 1970");
        let (deletions, others): (Vec<&String>, Vec<&String>) = lines.iter().partition(deletes);
        let mut rests: Vec<String> = others
            .into_iter()
            .map(|line| self.value_and_rest(line).map_or_else(|| line.clone(), |(_, rest)| rest.to_owned()))
            .collect();
        let mut deletions: Vec<String> = deletions.into_iter().cloned().collect();
        deletions.sort();
        rests.sort();
        (deletions, rests)
    }
}

fn visitors(url: &str) -> Vec<Visitor> {
    (0..VISITORS).map(|index| Visitor::new(format!("visitor-{index}"), url.to_owned())).collect()
}
