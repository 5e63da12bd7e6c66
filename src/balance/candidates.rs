//! Choosing among backends: at random by weight, or by consistent hash.
//!
//! The consistent choice is weighted rendezvous hashing (Thaler and Ravishankar 1998; weights as in Schindelhauer and
//! Schomaker 2005). Each backend gets a score from the key and from its own id, and the best score wins. Adding a
//! backend to n backends moves about 1/(n+1) of the keys, all of them to the new backend. Removing a backend moves only
//! its own keys, spread by weight over the rest.

use std::rc::Rc;

use super::Backend;
use super::hash::mix;

/// Backends that a new or moved session can go to.
#[derive(Debug)]
pub(crate) struct Candidates {
    /// One group for each distinct weight.
    groups: Vec<WeightGroup>,
}

/// The candidates of one weight. Within a group the highest hash wins, so one logarithm serves the whole group.
#[derive(Debug)]
struct WeightGroup {
    weight: u32,
    /// The sum of all weights up to and including this group.
    cumulative_weight: u64,
    members: Vec<Rc<Backend>>,
}

impl Candidates {
    /// The candidates are the backends with a weight above 0 that are not backups. If there are none, the backups with
    /// a weight above 0 are the candidates, then the draining backends that are not backups, then the draining backups.
    /// Draining backends have equal weights.
    pub(crate) fn new<'a>(backends: impl Iterator<Item = &'a Rc<Backend>> + Clone) -> Self {
        Self::first_tier(backends, |backend| (backend.drains(), backend.is_backup()))
    }

    /// The candidates while every backend is unavailable: all backends with a weight above 0, backups too, because any
    /// of them may answer.
    pub(crate) fn in_panic<'a>(backends: impl Iterator<Item = &'a Rc<Backend>> + Clone) -> Self {
        Self::first_tier(backends, Backend::drains)
    }

    /// The backends for which `tier` returns the smallest value.
    fn first_tier<'a, T: Ord>(
        backends: impl Iterator<Item = &'a Rc<Backend>> + Clone,
        tier: impl Fn(&Backend) -> T,
    ) -> Self {
        let first = backends.clone().map(|backend| tier(backend)).min();
        Self::of(backends.filter(|backend| first.as_ref().is_some_and(|first| tier(backend) == *first)))
    }

    fn of<'a>(members: impl Iterator<Item = &'a Rc<Backend>>) -> Self {
        let mut groups: Vec<WeightGroup> = Vec::new();
        for backend in members {
            let weight = backend.weight().max(1);
            match groups.iter_mut().find(|group| group.weight == weight) {
                Some(group) => group.members.push(Rc::clone(backend)),
                None => {
                    groups.push(WeightGroup {
                        weight,
                        cumulative_weight: 0,
                        members: vec![Rc::clone(backend)],
                    });
                }
            }
        }
        let mut sum = 0_u64;
        for group in &mut groups {
            sum = sum.saturating_add(group.total_weight());
            group.cumulative_weight = sum;
        }
        Self { groups }
    }

    /// A candidate in proportion to the weights. `random` is uniform over all 64-bit numbers. `None` if there is no
    /// candidate.
    pub(crate) fn by_weight(&self, random: u64) -> Option<&Rc<Backend>> {
        let total = self.groups.last()?.cumulative_weight;
        let point = scale(random, total);
        let index = self.groups.partition_point(|group| group.cumulative_weight <= point);
        let group = self.groups.get(index)?;
        let start = group.cumulative_weight.saturating_sub(group.total_weight());
        let member = point.saturating_sub(start).checked_div(u64::from(group.weight))?;
        group.members.get(usize::try_from(member).ok()?)
    }

    /// The candidate for a key. The same key and the same candidates give the same result on every worker of every
    /// Envoy. `None` if there is no candidate.
    pub(crate) fn by_hash(&self, key: u64) -> Option<&Rc<Backend>> {
        let best = self.groups.iter().filter_map(|group| {
            let (hash, backend) = group.best(key)?;
            Some((waiting_time(hash, group.weight), backend))
        });
        best.min_by(|(a, one), (b, other)| a.total_cmp(b).then(one.id().cmp(&other.id())))
            .map(|(_, backend)| backend)
    }
}

impl WeightGroup {
    fn total_weight(&self) -> u64 {
        let members = u64::try_from(self.members.len()).unwrap_or(u64::MAX);
        members.saturating_mul(self.weight.into())
    }

    /// The member with the highest hash for the key, and that hash. If two hashes are equal, the higher id wins, so
    /// that the order in the configuration has no effect.
    fn best(&self, key: u64) -> Option<(u64, &Rc<Backend>)> {
        self.members
            .iter()
            .map(|backend| (mix(key ^ backend.id().to_bits()), backend))
            .max_by_key(|(hash, backend)| (*hash, backend.id()))
    }
}

/// Maps `random`, uniform over 64 bits, to `0..total`.
fn scale(random: u64, total: u64) -> u64 {
    let product = u128::from(random).wrapping_mul(u128::from(total));
    u64::try_from(product >> 64).unwrap_or(0)
}

/// The first event time of an exponential clock with rate `weight`. The hash is read as a number in (0, 1). The backend
/// with the earliest event wins, so each backend wins in proportion to its weight.
#[expect(clippy::cast_precision_loss, reason = "53 bits are what an f64 holds")]
fn waiting_time(hash: u64, weight: u32) -> f64 {
    let unit = ((hash >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0;
    -libm::log(unit) / f64::from(weight)
}

#[cfg(test)]
mod tests;
