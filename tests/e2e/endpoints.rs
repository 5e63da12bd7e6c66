//! Sessions tied to endpoints: Envoy balances, checks health, and says who answered; the filter remembers.

pub mod fleet;
mod leaving;
mod reject;
mod secrecy;
mod spread;
mod updates;
mod versions;
