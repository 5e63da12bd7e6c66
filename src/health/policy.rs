//! How the health of a service's backends is judged.

use std::rc::Rc;

use super::entry::{BackendKey, MAX_EJECTION};
use crate::balance::hash::{hash, mix};
use crate::balance::{BackendId, Backends};
use crate::config::{HealthCheck, OutlierDetection};
use crate::session::Millis;

/// How the health of a service's backends is judged.
#[derive(Debug)]
pub(crate) struct HealthPolicy {
    service: u64,
    backends: Rc<Backends>,
    outlier_detection: OutlierDetection,
    health_check: Option<HealthCheck>,
    /// Identifies what a probe asks for.
    probe: u64,
}

impl HealthPolicy {
    /// The policy of the service with this name.
    pub(crate) fn new(
        service: &str,
        backends: Rc<Backends>,
        outlier_detection: OutlierDetection,
        health_check: Option<HealthCheck>,
    ) -> Self {
        let probe = |check: &HealthCheck| format!("{} {}", check.host_for(""), check.request_path());
        Self {
            service: hash(service.as_bytes()),
            backends,
            outlier_detection,
            probe: health_check.as_ref().map_or(0, |check| hash(probe(check).as_bytes())),
            health_check,
        }
    }

    /// The backends of the service.
    pub(crate) fn backends(&self) -> &Rc<Backends> {
        &self.backends
    }

    /// How responses are judged.
    pub(crate) const fn outlier_detection(&self) -> &OutlierDetection {
        &self.outlier_detection
    }

    /// How backends are probed. `None`: no probes.
    pub(crate) const fn health_check(&self) -> Option<&HealthCheck> {
        self.health_check.as_ref()
    }

    /// The key of a backend of this service. The service's name and the backend's id are mixed differently, because a
    /// service and its backend may have the same name.
    pub(crate) const fn key(&self, backend: BackendId) -> BackendKey {
        BackendKey(mix(self.service.wrapping_add(mix(backend.to_bits()))))
    }

    /// The key of the results of health checks of a backend. `None`: no probes. During an update, the old and the new
    /// configuration may both probe. Probes that ask for different paths or hosts do not change each other's results.
    pub(super) fn check_key(&self, backend: BackendId) -> Option<BackendKey> {
        self.health_check.as_ref().map(|_| BackendKey(mix(self.key(backend).0 ^ self.probe)))
    }

    /// The length of the n-th consecutive ejection.
    pub(super) fn ejection_length(&self, ejections: u16) -> Millis {
        let base = Millis::from(self.outlier_detection.base_ejection_time_sec.get()).saturating_mul(1000);
        base.saturating_mul(ejections.into()).min(MAX_EJECTION)
    }
}
