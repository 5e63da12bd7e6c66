//! Configurations that no browser or no backend could use.

use harness::envoy::Envoy;
use serde_json::{Value, json};

use crate::support::{bootstrap, generated_cookie, pods};

/// Envoy's log if Envoy refuses the configuration.
async fn validate(plugin: &Value) -> Result<(), String> {
    Envoy::validate(&bootstrap(&pods(1)).filter(plugin).build()).await
}

fn with_domain(domain: &str) -> Value {
    generated_cookie(&pods(1), &json!({ "cookie": { "domain": domain } }))
}

#[tokio::test]
async fn a_cookie_domain_that_no_browser_takes_is_refused() {
    for domain in ["192.0.2.1", "127.0.0.1", "[2001:db8::1]", "localhost", "com", "shop"] {
        let log = validate(&with_domain(domain)).await.expect_err(domain);
        let line = log.lines().find(|line| line.contains("config error at sessionAffinity.cookie.domain: "));
        let line = line.unwrap_or_else(|| panic!("{domain}: refused without a word"));
        assert!(line.contains("[error]") && line.contains(domain), "{line}");
    }
}

#[tokio::test]
async fn a_cookie_domain_that_browsers_take_is_taken() {
    for domain in ["example.com", "shop.example.co.uk", "xn--bcher-kva.example", "1.example"] {
        assert_eq!(validate(&with_domain(domain)).await, Ok(()), "{domain}");
    }
}
