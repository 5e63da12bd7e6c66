//! Sessions pinned to endpoints: Envoy balances, checks health and reports the endpoint; the filter remembers the
//! endpoint.

pub mod fleet;
mod forgery;
mod leaving;
mod losses;
mod reject;
mod secrecy;
mod spread;
mod updates;
mod users;
mod version_carriers;
mod versions;
