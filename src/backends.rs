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
//! assert_eq!(two.all().choose(42), two.all().choose(42));
//! assert_eq!(one.all().choose(42).cluster(), "green");
//! ```

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use crate::hash::{hash, mix};

/// What a token knows of a backend: a hash of its cluster's name, 40 bits wide. Among a thousand backends two have the
/// same in one of two million configurations, which is then refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BackendId(u64);

impl BackendId {
    /// The id of the backend whose cluster has this name.
    #[must_use]
    pub fn of(cluster: &str) -> Self {
        Self(hash(cluster.as_bytes()) >> 24)
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

/// Ids are well-mixed bits already: a second hash would only cost time.
#[derive(Clone, Debug, Default)]
pub struct IdHasher(u64);

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

/// The place of each backend in a list.
pub type Places = HashMap<BackendId, usize, BuildHasherDefault<IdHasher>>;

/// A set of backends.
pub type BackendSet = HashSet<BackendId, BuildHasherDefault<IdHasher>>;

/// One backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    cluster: Rc<str>,
    id: BackendId,
}

impl Backend {
    fn new(cluster: &str) -> Self {
        Self { cluster: cluster.into(), id: BackendId::of(cluster) }
    }

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

/// The backends of a service with their weights, as configured.
#[derive(Debug)]
pub struct Backends {
    weighted: Vec<(Backend, u32)>,
    places: Rc<Places>,
    all: Rc<Choice>,
}

impl Backends {
    /// From cluster names and weights. Weight 0 drains: it is found by [`get`](Self::get), but chosen only where
    /// nothing else is left.
    #[must_use]
    pub fn new(backends: impl IntoIterator<Item = (String, u32)>) -> Self {
        let weighted: Vec<(Backend, u32)> =
            backends.into_iter().map(|(cluster, weight)| (Backend::new(&cluster), weight)).collect();
        Self {
            places: Rc::new(weighted.iter().map(|(backend, _)| backend.id).zip(0..).collect()),
            all: Rc::new(Choice::among(weighted.iter())),
            weighted,
        }
    }

    /// The backend with this id, draining or not, if the configuration still has it.
    #[must_use]
    pub fn get(&self, id: BackendId) -> Option<&Backend> {
        self.with_weight(id).map(|(backend, _)| backend)
    }

    /// Each backend, in the order of the configuration.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Backend> {
        self.weighted.iter().map(|(backend, _)| backend)
    }

    /// The choice among all of them, whatever their health.
    #[must_use]
    pub fn all(&self) -> &Choice {
        &self.all
    }

    /// The same, for a view that keeps it.
    #[must_use]
    pub fn shared(&self) -> Rc<Choice> {
        Rc::clone(&self.all)
    }

    /// Whether a backend drains: it has weight 0.
    #[must_use]
    pub fn drains(&self, id: BackendId) -> bool {
        self.with_weight(id).is_some_and(|(_, weight)| *weight == 0)
    }

    fn with_weight(&self, id: BackendId) -> Option<&(Backend, u32)> {
        self.weighted.get(*self.places.get(&id)?)
    }

    /// The place of each backend in [`iter`](Self::iter), for tables beside this one.
    #[must_use]
    pub fn places(&self) -> Rc<Places> {
        Rc::clone(&self.places)
    }

    /// The choice among those that are not in `out`.
    #[must_use]
    pub fn without(&self, out: &BackendSet) -> Choice {
        Choice::among(self.weighted.iter().filter(|(backend, _)| !out.contains(&backend.id)))
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

/// Backends among which to choose, by weight.
#[derive(Clone, Debug)]
pub struct Choice {
    /// One class for each distinct weight.
    classes: Vec<WeightClass>,
    /// For each class: the sum of all weights up to and with it.
    sums: Vec<u64>,
    /// Stands in where there is no backend at all, which configuration refuses.
    nowhere: Backend,
}

impl Choice {
    /// Those of weight 0 count only where there are no others, and then equally.
    fn among<'a>(backends: impl Iterator<Item = &'a (Backend, u32)> + Clone) -> Self {
        let all_drain = backends.clone().all(|(_, weight)| *weight == 0);
        let mut classes: Vec<WeightClass> = Vec::new();
        for (backend, weight) in backends {
            let weight = if all_drain { 1 } else { *weight };
            if weight == 0 {
                continue;
            }
            match classes.iter_mut().find(|class| class.weight == weight) {
                Some(class) => class.members.push(backend.clone()),
                None => classes.push(WeightClass { weight, members: vec![backend.clone()] }),
            }
        }
        let weight_of = |class: &WeightClass| {
            let members = u64::try_from(class.members.len()).unwrap_or(u64::MAX);
            members.saturating_mul(class.weight.into())
        };
        let sums = classes
            .iter()
            .scan(0_u64, |sum, class| {
                *sum = sum.saturating_add(weight_of(class));
                Some(*sum)
            })
            .collect();
        Self { classes, sums, nowhere: Backend::new("") }
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
