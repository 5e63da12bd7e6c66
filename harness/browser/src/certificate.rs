//! The certificate of a site that the browser visits over https.

use anyhow::Result;
use data_encoding::BASE64;
use rcgen::{CertifiedKey, KeyPair, PublicKeyData as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A certificate that nobody vouches for.
pub struct Certificate(CertifiedKey<KeyPair>);

impl Certificate {
    /// Makes a certificate for these host names.
    ///
    /// # Errors
    /// If a name is no host name.
    pub fn new(names: &[&str]) -> Result<Self> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        Ok(Self(rcgen::generate_simple_self_signed(names)?))
    }

    /// Chromium's argument to trust this certificate, and no other that is not vouched for.
    #[must_use]
    pub fn trust(&self) -> String {
        let fingerprint = BASE64.encode(&Sha256::digest(self.0.signing_key.subject_public_key_info()));
        format!("--ignore-certificate-errors-spki-list={fingerprint}")
    }

    /// The `transport_socket` of a filter chain of Envoy that serves this certificate.
    #[must_use]
    pub fn transport_socket(&self) -> Value {
        json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": {
                    "alpn_protocols": ["h2", "http/1.1"],
                    "tls_certificates": [{
                        "certificate_chain": { "inline_string": self.0.cert.pem() },
                        "private_key": { "inline_string": self.0.signing_key.serialize_pem() },
                    }],
                },
            },
        })
    }
}
