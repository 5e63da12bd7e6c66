//! Where a request goes: inputs in, decision out, once.

pub(crate) mod decide;
pub(crate) mod outcome;
pub(crate) mod routes;
pub(crate) mod service;

pub(crate) use decide::{DecisionInputs, Envelope, Forward, Routing, SessionUpdate, decide};
pub(crate) use outcome::Outcome;
pub(crate) use routes::Routes;
pub(crate) use service::Service;
