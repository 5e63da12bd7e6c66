//! The new token that the client receives with the response.

use super::{Envelope, Service, SessionUpdate};
use crate::config::Affinity;
use crate::headers::set_token::TokenUpdate;
use crate::session::token::{MAX_VALUE_LEN, NONCE_LEN};
use crate::session::{Millis, Session};

/// The inputs of a token, other than the session.
pub(crate) trait TokenInputs {
    /// The wall clock.
    fn now(&self) -> Millis;
    /// Cryptographic randomness for one token. `None` if the host gives none.
    fn nonce(&self) -> Option<[u8; NONCE_LEN]>;
    /// Cryptographic randomness for a new session. `None` if the host gives none.
    fn seed(&self) -> Option<u64>;
}

/// The new token, if the client needs one. `sent` is the envelope in the request. `value` is the application's own
/// value in the response, which an envelope wraps.
pub(crate) fn token_update(
    service: &Service,
    session: &SessionUpdate,
    sent: Option<&Envelope>,
    value: Option<&[u8]>,
    inputs: &impl TokenInputs,
) -> Option<TokenUpdate> {
    match (&service.affinity, session) {
        (Affinity::HeaderEnvelope { .. }, session) => {
            let text = envelope(service, session, sent, value?, inputs)?;
            Some(TokenUpdate { text, max_age: None, https: false })
        }
        (Affinity::HttpCookie { ttl_sec, .. }, SessionUpdate::NewKey { key, https }) => {
            Some(TokenUpdate { text: key.clone(), max_age: Some((*ttl_sec).into()), https: *https })
        }
        (affinity, SessionUpdate::New(session) | SessionUpdate::Changed(session)) => {
            let text = service.tokens.as_ref()?.write(session, inputs.nonce()?)?;
            let max_age = affinity.lifetime()?.max_age(session, inputs.now());
            Some(TokenUpdate { text, max_age, https: session.https })
        }
        _ => None,
    }
}

/// The envelope for a value of the application. If nothing has changed, this is the envelope that the client sent.
/// `None` if the value is too long. Such a value goes out unwrapped.
pub(crate) fn envelope(
    service: &Service,
    update: &SessionUpdate,
    sent: Option<&Envelope>,
    value: &[u8],
    inputs: &impl TokenInputs,
) -> Option<String> {
    let session = *update.session()?;
    if value.is_empty() || value.len() > MAX_VALUE_LEN {
        return None;
    }
    let sent = sent.filter(|sent| sent.value == value);
    let as_sent = || String::from_utf8(sent?.text.clone()).ok();
    if sent.is_some() && matches!(update, SessionUpdate::Unchanged(_)) {
        return as_sent();
    }
    let Some(nonce) = inputs.nonce() else {
        return as_sent();
    };
    let session = if sent.is_some() || matches!(update, SessionUpdate::New(_)) {
        session
    } else {
        // A different value of the application means a new session on the same backend.
        let seed = inputs.seed().unwrap_or(session.seed);
        let new = Session::new(inputs.now(), seed, session.backend, session.https);
        Session { endpoint: session.endpoint, ..new }
    };
    service.tokens.as_ref()?.write_envelope(&session, value, nonce)
}
