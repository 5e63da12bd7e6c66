//! Backends and the ways to choose one: by weight, by consistent hash, by the client's address.

pub(crate) mod backend;
pub(crate) mod backends;
pub(crate) mod candidates;
pub(crate) mod client_address;
pub(crate) mod hash;

pub(crate) use backend::{Backend, BackendId};
pub(crate) use backends::Backends;
pub(crate) use candidates::Candidates;
