//! What the client is told of its session, and what the log is told of routes and filters that do not fit.

use super::Served;
use super::response::Response;
use crate::affinity::Part;
use crate::announcement::{HeaderEdit, News};
use crate::backends::BackendId;
use crate::config::{Affinity, Pin};
use crate::host::{self, Bytes, Headers};
use crate::session::Session;
use crate::token::MAX_VALUE_LEN;

impl Response<'_> {
    /// Tells the client of its session, if there is something to tell. `value` is the application's own.
    pub fn announce(&self, served: &Served, value: Option<Bytes>) {
        let Self { plugin, service, .. } = *self;
        let news = match (&service.affinity, served.part) {
            (Affinity::HeaderEnvelope { .. }, part) => {
                value.and_then(|value| self.envelope(served, part, &value))
            }
            (_, Part::FirstKey(key)) => Some(News::Key(key, served.https)),
            (_, Part::First(session) | Part::Changed(session)) => {
                served.nonce.map(|nonce| News::Session(session, nonce))
            }
            (_, Part::None | Part::Known(_)) => None,
        };
        let Some(news) = news else {
            return;
        };
        if let (Part::First(_), Some(chosen)) = (served.part, served.backend) {
            self.warn_of_route(served.service, chosen);
        }
        if service.pin.has_endpoint()
            && served.part.session().is_some_and(|session| session.endpoint.is_none())
        {
            self.warn_of_endpoint(served.service);
            if service.pin == Pin::Endpoint && matches!(news, News::Session(..)) {
                return;
            }
        }
        for edit in service.announce(news, plugin.now(), self.headers().iter()) {
            match edit {
                HeaderEdit::Add(name, value) => host::add_header(Headers::Response, name, &value),
                HeaderEdit::Set(name, value) => host::set_header(Headers::Response, name, &value),
                HeaderEdit::Remove(name) => host::remove_header(Headers::Response, name),
            }
        }
    }

    /// The envelope for a value of the application's: the one that came where nothing changed. `None` for a value that
    /// is too long, which goes out as it is.
    fn envelope(&self, served: &Served, part: Part, value: &[u8]) -> Option<News> {
        let Self { plugin, service, .. } = *self;
        let session = *part.session()?;
        if value.is_empty() || value.len() > MAX_VALUE_LEN {
            return None;
        }
        let came = served.envelope.as_ref().filter(|envelope| envelope.value == value);
        let as_it_came = || String::from_utf8(came?.text.clone()).ok().map(News::Envelope);
        if matches!(part, Part::Known(_)) && came.is_some() {
            return as_it_came();
        }
        let Some(nonce) = served.nonce.or_else(|| plugin.nonce()) else {
            return as_it_came();
        };
        let tokens = service.tokens.as_ref()?;
        let session = match (part, came) {
            // Another value of the application's is another session, in the same place.
            (Part::Known(_) | Part::Changed(_), None) => Session {
                endpoint: session.endpoint,
                ..Session::begin(plugin.now(), tokens.seed(&nonce), session.backend)
            },
            _ => session,
        };
        Some(News::Envelope(tokens.write_envelope(&session, value, nonce)))
    }

    /// A route that does not go by our header makes every session a lottery: somebody should know.
    fn warn_of_route(&self, index: usize, chosen: BackendId) {
        let Some(warnings) = self.plugin.warnings(index).filter(|warnings| warnings.look_at_route()) else {
            return;
        };
        let cluster = host::property("xds\0cluster_name");
        let (Some(chosen), Some(cluster)) = (self.service.backends.get(chosen), cluster) else {
            return;
        };
        if *cluster != *chosen.cluster().as_bytes() && warnings.route.is_due() {
            log::warn!(
                "session-affinity: service {}: the response came from cluster {}, not from the chosen {}: \
                 does the route have cluster_header: {}?",
                self.service.name,
                std::str::from_utf8(&cluster).unwrap_or_default(),
                chosen.cluster(),
                self.plugin.cluster_header,
            );
        }
    }

    /// The same goes for a chain of filters in which nobody tells or honours endpoints.
    fn warn_of_endpoint(&self, index: usize) {
        if self.plugin.warnings(index).is_some_and(|warnings| warnings.endpoint.is_due()) {
            log::warn!(
                "session-affinity: service {}: Envoy named no endpoint: \
                 does stateful_session with header state {} stand behind this filter?",
                self.service.name,
                self.plugin.endpoint_header.as_deref().unwrap_or_default(),
            );
        }
    }

    /// And for one that moves sessions which the configuration wants to be refused.
    pub fn warn_of_strict(&self, index: usize) {
        if self.plugin.warnings(index).is_some_and(|warnings| warnings.strict.is_due()) {
            log::warn!(
                "session-affinity: service {}: a session moved to another endpoint, and onUnavailable is REJECT: \
                 does stateful_session have strict: true, and the route no retry_policy?",
                self.service.name,
            );
        }
    }
}
