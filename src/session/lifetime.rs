//! How long a session lives.

use super::{Millis, Session};

/// How far the clock of another Envoy may be ahead of the local clock.
const CLOCK_TOLERANCE: Millis = 60_000;

/// How long the sessions of a service live. The current configuration applies, even to sessions that began with another
/// configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// Maximum lifetime in seconds, from the session's start. 0: no limit.
    pub(crate) ttl_sec: u32,
    /// Seconds without a request after which the session ends. 0: off.
    pub(crate) idle_timeout_sec: u32,
}

/// The state of a session, according to its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionState {
    /// The session lives, and its token is recent enough.
    Live,
    /// The session lives, and its token needs a newer time of last use: a quarter of the idle timeout has passed.
    Renewable,
    /// The session has ended.
    Expired,
    /// The session's start is more than 60 s in the future.
    InTheFuture,
}

impl Lifetime {
    /// The state of a session at the time `now`. A session whose token has no last use counts as just used, because the
    /// idle timeout was set after the token was made.
    pub(crate) fn state(self, session: &Session, now: Millis) -> SessionState {
        if session.start > now.saturating_add(CLOCK_TOLERANCE) {
            return SessionState::InTheFuture;
        }
        if self.ttl_sec > 0 && now.saturating_sub(session.start) >= millis(self.ttl_sec) {
            return SessionState::Expired;
        }
        if self.idle_timeout_sec == 0 {
            return SessionState::Live;
        }
        let Some(last_use) = session.last_use else {
            return SessionState::Renewable;
        };
        let idle = now.saturating_sub(last_use);
        if idle >= millis(self.idle_timeout_sec) {
            SessionState::Expired
        } else if idle >= millis(self.idle_timeout_sec) / 4 {
            SessionState::Renewable
        } else {
            SessionState::Live
        }
    }

    /// Remaining seconds of the session's absolute lifetime, rounded up, for `Max-Age`. `None` without a limit.
    pub(crate) fn max_age(self, session: &Session, now: Millis) -> Option<u64> {
        (self.ttl_sec > 0).then(|| {
            let end = session.start.saturating_add(millis(self.ttl_sec));
            end.saturating_sub(now).div_ceil(1000).min(u64::from(self.ttl_sec))
        })
    }
}

fn millis(seconds: u32) -> Millis {
    Millis::from(seconds).saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::SessionState::{Expired, InTheFuture, Live, Renewable};
    use super::*;
    use crate::testing::{NOW, begin};

    /// A session that has just begun, with a last use, as with an idle timeout.
    fn session() -> Session {
        begin(NOW, "a").used_at(NOW)
    }

    const fn lifetime(ttl_sec: u32, idle_timeout_sec: u32) -> Lifetime {
        Lifetime { ttl_sec, idle_timeout_sec }
    }

    #[test]
    fn the_state_of_a_session_depends_on_its_times_and_the_current_configuration() {
        for (ttl, idle, age, state) in [
            // No end.
            (0, 0, 0, Live),
            (0, 0, 1_000_000_000_000, Live),
            // The absolute lifetime ends exactly after the TTL.
            (10, 0, 9_999, Live),
            (10, 0, 10_000, Expired),
            (10, 0, 10_001, Expired),
            (1_209_600, 0, 1_209_599_999, Live),
            (1_209_600, 0, 1_209_600_000, Expired),
            // The token is renewed after a quarter of the idle timeout.
            (0, 8, 1_999, Live),
            (0, 8, 2_000, Renewable),
            (0, 8, 7_999, Renewable),
            (0, 8, 8_000, Expired),
            (0, 1, 249, Live),
            (0, 1, 250, Renewable),
            (0, 1, 1_000, Expired),
            // Both.
            (5, 8, 4_999, Renewable),
            (5, 8, 5_000, Expired),
            (100, 8, 8_000, Expired),
            // The clock of another Envoy may be 60 s ahead of the local clock.
            (10, 8, -1, Live),
            (10, 8, -60_000, Live),
            (10, 8, -60_001, InTheFuture),
            (0, 0, -60_001, InTheFuture),
        ] {
            let now = NOW.checked_add_signed(age).unwrap();
            assert_eq!(
                lifetime(ttl, idle).state(&session(), now),
                state,
                "ttl {ttl}, idle {idle}, age {age}"
            );
        }
    }

    #[test]
    fn use_renews_a_session_but_not_beyond_its_absolute_lifetime() {
        let lifetime = lifetime(20, 8);
        let used = session().used_at(NOW + 7_000);
        assert_eq!(lifetime.state(&used, NOW + 8_999), Live);
        assert_eq!(lifetime.state(&used, NOW + 9_000), Renewable);
        assert_eq!(lifetime.state(&used, NOW + 15_000), Expired);
        let late = session().used_at(NOW + 19_000);
        assert_eq!(lifetime.state(&late, NOW + 20_000), Expired);
    }

    #[test]
    fn a_session_whose_token_has_no_last_use_is_renewable_once_an_idle_timeout_is_set() {
        let unused = begin(NOW, "a");
        for age in [0, 7_999, 8_000, 1_000_000_000] {
            assert_eq!(lifetime(0, 0).state(&unused, NOW + age), Live);
            assert_eq!(lifetime(0, 8).state(&unused, NOW + age), Renewable);
        }
        assert_eq!(
            lifetime(10, 8).state(&unused, NOW + 10_000),
            Expired,
            "its absolute life ends all the same"
        );
    }

    #[test]
    fn max_age_is_the_rest_of_the_absolute_lifetime_in_seconds_rounded_up() {
        for (age, left) in
            [(0, 50), (1, 50), (999, 50), (1_000, 49), (49_000, 1), (49_999, 1), (50_000, 0), (60_000, 0)]
        {
            assert_eq!(lifetime(50, 0).max_age(&session(), NOW + age), Some(left), "{age} ms old");
        }
        assert_eq!(lifetime(50, 0).max_age(&session(), NOW - 30_000), Some(50), "at most the whole life");
        assert_eq!(lifetime(0, 8).max_age(&session(), NOW), None, "until the browser closes");
    }

    proptest! {
        #[test]
        fn no_time_and_no_lifetime_is_too_large(
            start: u64, last_use: Option<u64>, now: u64, ttl_sec: u32, idle_timeout_sec: u32
        ) {
            let session = Session { start, last_use, ..session() };
            let lifetime = lifetime(ttl_sec, idle_timeout_sec);
            let _ = lifetime.state(&session, now);
            if let Some(max_age) = lifetime.max_age(&session, now) {
                prop_assert!(max_age <= u64::from(ttl_sec));
            }
        }

        #[test]
        fn an_expired_session_stays_expired(
            age in 0..3_000_000_000_u64, more in 0..3_000_000_000_u64, ttl in 0..=1_209_600_u32, idle in 0..=1_209_600_u32
        ) {
            if lifetime(ttl, idle).state(&session(), NOW + age) == Expired {
                prop_assert_eq!(lifetime(ttl, idle).state(&session(), NOW + age + more), Expired);
            }
        }

        #[test]
        fn a_session_in_use_lives_until_its_absolute_lifetime_ends(
            age in 0..1_209_600_000_u64, ttl in 0..=1_209_600_u32, idle in 0..=1_209_600_u32
        ) {
            let now = NOW + age;
            let is_over = ttl > 0 && age >= u64::from(ttl) * 1_000;
            let expected = if is_over { Expired } else { Live };
            prop_assert_eq!(lifetime(ttl, idle).state(&session().used_at(now), now), expected);
        }
    }
}
