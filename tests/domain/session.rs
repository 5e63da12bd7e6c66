//! How long sessions live, to the millisecond.

use proptest::prelude::*;
use session_affinity::backends::BackendId;
use session_affinity::session::{Life, Session, Standing};

use crate::support::NOW;

fn begun() -> Session {
    Session::begin(NOW, 1, BackendId::from_bits(2))
}

const fn life(ttl_sec: u32, idle_timeout_sec: u32) -> Life {
    Life { ttl_sec, idle_timeout_sec }
}

#[test]
fn a_session_stands_as_its_times_and_todays_configuration_say() {
    use Standing::{Expired, FromTheFuture, Live, Renewable};
    for (ttl, idle, age, standing) in [
        // No end.
        (0, 0, 0, Live),
        (0, 0, 1_000_000_000_000, Live),
        // The absolute life ends with its last millisecond.
        (10, 0, 9_999, Live),
        (10, 0, 10_000, Expired),
        (10, 0, 10_001, Expired),
        (1_209_600, 0, 1_209_599_999, Live),
        (1_209_600, 0, 1_209_600_000, Expired),
        // Idle: a quarter without news, then due for renewal, then over.
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
        // Another Envoy's clock may be 60 s ahead, or ours behind.
        (10, 8, -1, Live),
        (10, 8, -60_000, Live),
        (10, 8, -60_001, FromTheFuture),
        (0, 0, -60_001, FromTheFuture),
    ] {
        let now = NOW.checked_add_signed(age).unwrap();
        assert_eq!(life(ttl, idle).standing(&begun(), now), standing, "ttl {ttl}, idle {idle}, age {age}");
    }
}

#[test]
fn use_renews_a_session_from_its_last_noted_use_and_not_beyond_its_absolute_life() {
    let life = life(20, 8);
    let used = begun().used_at(NOW + 7_000);
    assert_eq!(life.standing(&used, NOW + 8_999), Standing::Live);
    assert_eq!(life.standing(&used, NOW + 9_000), Standing::Renewable);
    assert_eq!(life.standing(&used, NOW + 15_000), Standing::Expired);
    let late = begun().used_at(NOW + 19_000);
    assert_eq!(life.standing(&late, NOW + 20_000), Standing::Expired);
}

#[test]
fn a_use_is_noted_in_quarter_seconds_and_never_too_early() {
    for (after, noted) in [(0, 0), (1, 250), (250, 250), (251, 500), (1_000, 1_000)] {
        let used = begun().used_at(NOW + after);
        // With an idle timeout of a second, a session ends a second after its noted use.
        assert_eq!(life(0, 1).standing(&used, NOW + noted + 999), Standing::Renewable);
        assert_eq!(life(0, 1).standing(&used, NOW + noted + 1_000), Standing::Expired);
    }
}

#[test]
fn max_age_is_what_is_left_of_the_absolute_life_in_seconds_rounded_up() {
    for (age, left) in
        [(0, 50), (1, 50), (999, 50), (1_000, 49), (49_000, 1), (49_999, 1), (50_000, 0), (60_000, 0)]
    {
        assert_eq!(life(50, 0).max_age(&begun(), NOW + age), Some(left), "{age} ms old");
    }
    assert_eq!(life(50, 0).max_age(&begun(), NOW - 30_000), Some(50), "never more than the whole life");
    assert_eq!(life(0, 8).max_age(&begun(), NOW), None, "until the browser closes");
}

proptest! {
    #[test]
    fn no_time_and_no_life_is_too_large(
        start: u64, used: u32, now: u64, ttl_sec: u32, idle_timeout_sec: u32
    ) {
        let session = Session { start, used, ..begun() };
        let life = life(ttl_sec, idle_timeout_sec);
        let _ = life.standing(&session, now);
        if let Some(max_age) = life.max_age(&session, now) {
            prop_assert!(max_age <= u64::from(ttl_sec));
        }
        prop_assert_eq!(Session { used, ..session.used_at(now) }, session);
    }

    #[test]
    fn what_has_expired_stays_expired(
        age in 0..3_000_000_000_u64, more in 0..3_000_000_000_u64, ttl in 0..=1_209_600_u32, idle in 0..=1_209_600_u32
    ) {
        if life(ttl, idle).standing(&begun(), NOW + age) == Standing::Expired {
            prop_assert_eq!(life(ttl, idle).standing(&begun(), NOW + age + more), Standing::Expired);
        }
    }

    #[test]
    fn a_session_just_used_is_live_until_its_absolute_life_ends(
        age in 0..1_209_600_000_u64, ttl in 0..=1_209_600_u32, idle in 0..=1_209_600_u32
    ) {
        let now = NOW + age;
        let over = ttl > 0 && age >= u64::from(ttl) * 1_000;
        let expected = if over { Standing::Expired } else { Standing::Live };
        prop_assert_eq!(life(ttl, idle).standing(&begun().used_at(now), now), expected);
    }
}
