//! Which responses a worker examines. Examining a response costs a host call.

use std::cell::RefCell;
use std::collections::HashMap;

use fnv::FnvBuildHasher;

use crate::balance::BackendId;
use crate::session::Millis;

/// Maximum responses of a backend that a worker examines per second, on average.
const EXAMINED_PER_SEC: u64 = 20;
/// Maximum consecutive responses that a worker examines after a quiet second.
const BURST: u64 = 20;
/// The cost of one examined response, in the unit of [`Bucket::level`].
const COST: u64 = 1_000;

/// A token bucket for each backend of a service.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    buckets: RefCell<HashMap<BackendId, Bucket, FnvBuildHasher>>,
}

#[derive(Debug)]
struct Bucket {
    /// Responses that may still be examined, in thousandths.
    level: u64,
    filled_at: Millis,
}

impl Sampler {
    /// Whether to examine a response of this backend. Always true under light traffic.
    pub(crate) fn should_examine(&self, backend: BackendId, now: Millis) -> bool {
        let Ok(mut buckets) = self.buckets.try_borrow_mut() else {
            return true;
        };
        let full = BURST.saturating_mul(COST);
        let bucket = buckets.entry(backend).or_insert(Bucket { level: full, filled_at: now });
        if now != bucket.filled_at {
            // If the clock was set back, none is gained.
            let gained = now.saturating_sub(bucket.filled_at).saturating_mul(EXAMINED_PER_SEC);
            bucket.level = bucket.level.saturating_add(gained).min(full);
            bucket.filled_at = now;
        }
        match bucket.level.checked_sub(COST) {
            Some(left) => {
                bucket.level = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_700_000_000_000;

    fn examined(sampler: &Sampler, now: Millis, responses: usize) -> usize {
        let backend = BackendId::of("a");
        (0..responses).filter(|_| sampler.should_examine(backend, now)).count()
    }

    #[test]
    fn every_response_is_examined_under_light_traffic() {
        let sampler = Sampler::default();
        for second in 0..100 {
            assert_eq!(examined(&sampler, NOW + second * 1_000, 20), 20);
        }
    }

    #[test]
    fn a_limited_number_of_responses_per_second_is_examined_under_load() {
        let sampler = Sampler::default();
        examined(&sampler, NOW, 1_000);
        let ticks = (1..=50).map(|tick| examined(&sampler, NOW + tick * 200, 1_000));
        assert_eq!(ticks.sum::<usize>(), 200, "20 responses in each of 10 seconds");
    }

    #[test]
    fn backends_do_not_share_their_limits() {
        let sampler = Sampler::default();
        examined(&sampler, NOW, 1_000);
        assert!(sampler.should_examine(BackendId::of("b"), NOW));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_stop_the_sampler_for_long() {
        let sampler = Sampler::default();
        examined(&sampler, NOW, 1_000);
        examined(&sampler, NOW - 1_000_000, 1);
        assert_eq!(examined(&sampler, NOW - 999_000, 1_000), 20);
    }
}
