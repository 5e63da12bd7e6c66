//! Decides once per request where the request goes.

pub(crate) mod decide;
pub(crate) mod outcome;
pub(crate) mod routes;
pub(crate) mod service;
pub(crate) mod session_update;
pub(crate) mod token_update;

pub(crate) use decide::{DecisionInputs, Envelope, Forward, Routing, decide};
pub(crate) use outcome::Outcome;
pub(crate) use routes::Routes;
pub(crate) use service::Service;
pub(crate) use session_update::SessionUpdate;
pub(crate) use token_update::{TokenInputs, envelope, token_update};
