//! Carriers of a session or a key other than the filter's own cookie.

mod cookie_envelope;
mod envelope;
mod hashed;
mod header;
mod hostile;
mod made_cookie;
