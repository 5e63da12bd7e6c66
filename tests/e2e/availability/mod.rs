//! Backends that cannot be reached, or do not answer: who notices, who learns of it, and where sessions go.

mod active;
mod exactly_once;
pub mod failover;
mod failure_reasons;
pub mod fleet;
mod following;
pub mod load;
mod outages;
mod passive;
mod record;
mod restarts;
mod rolling;
mod services;
mod silence;
mod stopped;
mod updates;
mod vm_loss;
