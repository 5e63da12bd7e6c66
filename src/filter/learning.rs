//! What a response says of the backend it was meant for.

use super::Served;
use super::response::Response;
use crate::backends::{Backend, BackendId};
use crate::evidence::{self, Evidence};
use crate::health::Testimony;
use crate::host::{self, HeaderPairs};
use crate::session::Session;
use crate::watch::Look;

impl Response<'_> {
    /// Learns what the response says of its backend, and follows the session to where it was answered. Returns how the
    /// response came to be, where somebody asked; `matters` asks.
    pub fn learn(&self, served: &mut Served, matters: bool) -> Option<Evidence> {
        let strict = self.status_of_strict(served).is_some();
        let watched = served.backend.filter(|_| self.service.outlier_detection.is_on());
        let Some(backend) = watched else {
            return (matters || strict).then(|| self.evidence(matters));
        };
        let suspect = self.plugin.watch.view(served.service).is_some_and(|view| view.is_suspect(backend));
        let look = self.look(served.service, backend, suspect, matters, strict);
        let mut evidence = match look {
            Look::Status if evidence::is_gateway_error(&self.status()) => self.evidence(false),
            Look::Status | Look::Away => return None,
            // Should it be a reply of Envoy's after all, another look finds out.
            Look::Answerer => Evidence::Answered,
            Look::Details | Look::Both => self.evidence(matters && !suspect),
        };
        let asks_who = matches!(look, Look::Answerer | Look::Both) && evidence == Evidence::Answered;
        if let Some(answerer) = asks_who.then(|| self.answerer()).flatten() {
            self.plugin.watch.note_label(served.service, backend);
            if answerer != backend {
                if look == Look::Answerer {
                    evidence = self.evidence(false);
                }
                if evidence == Evidence::Answered {
                    self.learn_of_other(served, backend, answerer);
                    return Some(evidence);
                }
            }
        }
        if evidence == Evidence::Answered && look != Look::Answerer {
            self.plugin.watch.note_answer(served.service, backend, self.count);
        }
        self.testify(served, backend, self.verdict(served, look, evidence));
        Some(evidence)
    }

    /// What to ask about the response.
    fn look(&self, service: usize, backend: BackendId, suspect: bool, matters: bool, strict: bool) -> Look {
        let watch = &self.plugin.watch;
        let look = watch.look(service, backend, self.count, self.plugin.now());
        if suspect || (matters && (look == Look::Answerer || watch.is_labelled(service, backend))) {
            Look::Both
        } else if matters || strict {
            Look::Details
        } else if look == Look::Details && self.service.outlier_detection.consecutive_gateway_errors.get() > 0 {
            // Envoy's own replies for backends that fail have such a status too.
            Look::Status
        } else {
            look
        }
    }

    /// What the evidence comes to.
    fn verdict(&self, served: &Served, look: Look, evidence: Evidence) -> Evidence {
        let of_one_endpoint = evidence == Evidence::NotConnected && self.is_of_one_endpoint(served);
        if of_one_endpoint || self.rejected_by_envoy(served, Some(evidence)).is_some() {
            return Evidence::Nothing;
        }
        let counts_status =
            self.service.outlier_detection.consecutive_gateway_errors.get() > 0 && look != Look::Answerer;
        if counts_status && evidence == Evidence::Answered && evidence::is_gateway_error(&self.status()) {
            return Evidence::Failed;
        }
        evidence
    }

    /// Another backend of the service answered in the stead of the chosen one: the session goes on there, unless it
    /// would have to leave again at once.
    fn learn_of_other(&self, served: &mut Served, backend: BackendId, other: BackendId) {
        if served.view.is_available(other) && !self.service.backends.drains(other) {
            self.move_session(served, |session| Session { backend: other, endpoint: None, ..session });
        }
        let after = self.plugin.now().saturating_sub(served.at);
        self.testify(served, backend, evidence::of_answer_from_elsewhere(after));
        self.testify(served, other, Evidence::Answered);
    }

    fn testify(&self, served: &Served, backend: BackendId, evidence: Evidence) {
        let testimony = Testimony { backend, evidence, was_out: served.view.is_out(backend) };
        self.plugin.testify((served.service, self.service), testimony);
    }

    /// How the response came to be. `with_headers`: they are needed anyway.
    fn evidence(&self, with_headers: bool) -> Evidence {
        // Envoy adds it to what came from upstream, if it may.
        let from_upstream =
            |headers: &HeaderPairs| headers.iter().any(|(name, _)| name == b"x-envoy-upstream-service-time");
        if with_headers && from_upstream(self.headers()) {
            return Evidence::Answered;
        }
        let details = host::property("response\0code_details");
        match details.map_or(Evidence::Nothing, |details| evidence::from_details(&details)) {
            Evidence::TimedOut => evidence::of_timeout(host::property("upstream\0local_address").is_some()),
            evidence => evidence,
        }
    }

    /// The backend of this service that the answering endpoint's metadata name.
    fn answerer(&self) -> Option<BackendId> {
        let name = host::property("xds\0upstream_host_metadata\0filter_metadata\0session_affinity\0backend")?;
        let id = BackendId::of(std::str::from_utf8(&name).ok()?);
        self.service.backends.get(id).map(Backend::id)
    }

    /// Whether a connection that was not made says nothing of the other endpoints of its backend: the session's own one
    /// was asked for, and no other was tried.
    fn is_of_one_endpoint(&self, served: &Served) -> bool {
        let asked_for = served.part.session().is_some_and(|session| session.endpoint.is_some());
        let attempts = || host::property("upstream\0request_attempt_count");
        self.service.pin.has_endpoint()
            && asked_for
            && attempts().is_none_or(|count| count.first() <= Some(&1))
    }
}
