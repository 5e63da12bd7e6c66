//! The backends of a service: found by id, picked by weight, or chosen consistently for a key.
//!
//! A backend is an Envoy cluster and is known by its name alone, so the order of a list means nothing.
//! Consistent choice is weighted rendezvous hashing (Thaler and Ravishankar 1998; weights as in Schindelhauer
//! and Schomaker 2005): each backend gets a score from the key and its own id, the best one wins. Adding a
//! backend to n moves about 1/(n+1) of the keys, all to the new one; removing one moves only its own keys,
//! spread by weight over the rest.
//!
//! ```
//! use session_affinity::backends::Backends;
//! let two = Backends::new([("blue".to_owned(), 1), ("green".to_owned(), 3)]);
//! let one = Backends::new([("green".to_owned(), 3)]);
//! assert_eq!(two.choose(42).cluster(), two.choose(42).cluster());
//! assert_eq!(one.choose(42).cluster(), "green");
//! ```

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::hash::{hash, mix};

/// What a token knows of a backend: a hash of its cluster's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BackendId(u64);

impl BackendId {
    /// The id of the backend whose cluster has this name.
    #[must_use]
    pub fn of(cluster: &str) -> Self {
        Self(hash(cluster.as_bytes()))
    }

    /// The id as it stands in a token.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The id that stands in a token; it may belong to no backend.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// One backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    cluster: String,
    id: BackendId,
}

impl Backend {
    /// The name of the Envoy cluster.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// What tokens call it.
    #[must_use]
    pub const fn id(&self) -> BackendId {
        self.id
    }
}

/// Ids are well-mixed bits already: a second hash would only cost time.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash(bytes);
    }

    fn write_u64(&mut self, bits: u64) {
        self.0 = bits;
    }
}

/// The backends of one weight. Within it the highest hash wins, so one logarithm serves all of them.
#[derive(Clone, Debug)]
struct WeightClass {
    weight: u32,
    members: Vec<Backend>,
}

impl WeightClass {
    /// The member with the highest hash for the key, and that hash. Ties, practically impossible, go to the
    /// higher id, so that the order of the list means nothing.
    fn best(&self, key: u64) -> Option<(u64, &Backend)> {
        self.members
            .iter()
            .map(|backend| (mix(key ^ backend.id.0), backend))
            .max_by_key(|(hash, backend)| (*hash, backend.id.0))
    }
}

/// The backends of a service with their weights.
#[derive(Debug)]
pub struct Backends {
    by_id: HashMap<BackendId, Backend, BuildHasherDefault<IdHasher>>,
    /// Backends that take new sessions, one class for each distinct weight; if all drain, those.
    classes: Vec<WeightClass>,
    /// For each class: the sum of all weights up to and with it.
    sums: Vec<u64>,
    /// Stands in where a list is empty, which configuration refuses.
    nowhere: Backend,
}

impl Backends {
    /// From cluster names and weights. Weight 0 drains: it is found by [`get`](Self::get), but neither picked
    /// nor chosen, unless all are 0.
    #[must_use]
    pub fn new(backends: impl IntoIterator<Item = (String, u32)>) -> Self {
        let all: Vec<(Backend, u32)> = backends
            .into_iter()
            .map(|(cluster, weight)| (Backend { id: BackendId::of(&cluster), cluster }, weight))
            .collect();
        let all_drain = all.iter().all(|(_, weight)| *weight == 0);
        let mut classes: Vec<WeightClass> = Vec::new();
        for (backend, weight) in &all {
            let weight = if all_drain { 1 } else { *weight };
            if weight == 0 {
                continue;
            }
            match classes.iter_mut().find(|class| class.weight == weight) {
                Some(class) => class.members.push(backend.clone()),
                None => classes.push(WeightClass { weight, members: vec![backend.clone()] }),
            }
        }
        let sums = classes
            .iter()
            .scan(0_u64, |sum, class| {
                *sum = sum.saturating_add(
                    u64::from(class.weight)
                        .saturating_mul(u64::try_from(class.members.len()).unwrap_or(u64::MAX)),
                );
                Some(*sum)
            })
            .collect();
        Self {
            by_id: all.into_iter().map(|(backend, _)| (backend.id, backend)).collect(),
            classes,
            sums,
            nowhere: Backend { cluster: String::new(), id: BackendId(0) },
        }
    }

    /// The backend with this id, draining or not, if the configuration still has it.
    #[must_use]
    pub fn get(&self, id: BackendId) -> Option<&Backend> {
        self.by_id.get(&id)
    }

    /// A backend by weight. `random` is uniform over all 64-bit numbers.
    #[must_use]
    pub fn pick(&self, random: u64) -> &Backend {
        let total = self.sums.last().copied().unwrap_or(0);
        let point = scale(random, total);
        let index = self.sums.partition_point(|sum| *sum <= point);
        let before = index.checked_sub(1).and_then(|previous| self.sums.get(previous)).copied().unwrap_or(0);
        self.classes
            .get(index)
            .and_then(|class| {
                let offset = point.saturating_sub(before).checked_div(u64::from(class.weight))?;
                class.members.get(usize::try_from(offset).ok()?)
            })
            .unwrap_or(&self.nowhere)
    }

    /// The backend for a key: the same for the same key and backends, on every worker of every Envoy.
    #[must_use]
    pub fn choose(&self, key: u64) -> &Backend {
        let best = self.classes.iter().filter_map(|class| {
            let (hash, backend) = class.best(key)?;
            Some((waiting_time(hash, class.weight), backend))
        });
        best.min_by(|(a, one), (b, other)| a.total_cmp(b).then(one.id.0.cmp(&other.id.0)))
            .map_or(&self.nowhere, |(_, backend)| backend)
    }
}

/// `random`, uniform over 64 bits, brought down to `0..total`.
fn scale(random: u64, total: u64) -> u64 {
    let product = u128::from(random).wrapping_mul(u128::from(total));
    u64::try_from(product >> 64).unwrap_or(0)
}

/// When a backend's exponential clock of rate `weight` first rings, the hash read as a number in (0, 1). The
/// first to ring wins, which happens in proportion to the weights.
#[expect(clippy::cast_precision_loss, reason = "53 bits are what an f64 holds")]
fn waiting_time(hash: u64, weight: u32) -> f64 {
    let unit = ((hash >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0;
    -libm::log(unit) / f64::from(weight)
}
