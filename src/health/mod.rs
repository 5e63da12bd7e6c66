//! Which backends are unavailable: the classes of responses, health checks, the table that all workers share, and the
//! availability of a service's backends.

pub(crate) mod availability;
pub(crate) mod checks;
pub(crate) mod classify;
pub(crate) mod entry;
mod policy;
pub(crate) mod sampler;
pub(crate) mod table;
#[cfg(test)]
mod testing;

pub(crate) use availability::Availability;
pub(crate) use classify::ResponseClass;
pub(crate) use policy::HealthPolicy;
pub(crate) use sampler::Sampler;
pub(crate) use table::{HealthTable, Observation};
