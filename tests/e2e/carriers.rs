//! What carries a session, or a key, besides a cookie of the filter's own.

mod cookie_envelope;
mod envelope;
mod hashed;
mod header;
mod hostile;
mod made_cookie;
