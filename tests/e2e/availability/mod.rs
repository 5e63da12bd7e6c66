//! Backends that are unreachable or do not respond: which worker detects it, which workers learn of it, and where the
//! sessions go.

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
