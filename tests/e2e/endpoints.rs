//! Sessions tied to endpoints: Envoy balances, checks health, and says who answered; the filter remembers.

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
