//! The policies of the Services behind a Gateway: which Service they apply to.

use serde_json::json;

use crate::manifests::gateway::{manifests, plain_gateway, policy, route, to};
use crate::support::{Written, convert};

const COOKIE: &str = "{sessionAffinity: {type: GENERATED_COOKIE, cookieTtlSec: 50}, timeoutSec: 20}";

fn with(policies: &[String]) -> String {
    let others = [plain_gateway(), route("web", "[]", &[&format!("{{{}}}", to("shop"))])];
    manifests(&["shop"], &[&others, policies].concat())
}

/// The only error, without its line.
fn error(policies: &[String]) -> String {
    let mut errors = convert(&with(policies)).errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0).split_once(": ").unwrap().1.to_owned()
}

#[test]
fn a_policy_without_a_service_is_an_error() {
    for kind in ["GCPBackendPolicy", "HealthCheckPolicy"] {
        let misspelt = policy(kind, "shpo", "{}");
        let none = "spec.targetRef.name: error: no Service";
        assert_eq!(error(&[misspelt]), format!("{none} \"shpo\" in namespace default; write shop"));
        let unknown = policy(kind, "other", "{}");
        let help = "add the Service to the manifests, or leave the policy out";
        assert_eq!(error(&[unknown]), format!("{none} \"other\" in namespace default; {help}"));
        let elsewhere =
            policy(kind, "shop", "{}").replacen("metadata:\n", "metadata:\n  namespace: team\n", 1);
        let help = "the Service is in namespace default: write `namespace: default`";
        assert_eq!(error(&[elsewhere]), format!("{none} \"shop\" in namespace team; {help}"));
        let gateway = policy(kind, "main", "{}").replace("kind: Service", "kind: Gateway");
        assert_eq!(
            error(&[gateway]),
            format!(
                "spec.targetRef.kind: error: a {kind} applies to a Service, and not to a Gateway; write `kind: Service` \
                 and the name of a Service"
            )
        );
    }
}

#[test]
fn a_second_policy_for_a_service_is_an_error() {
    let first = policy("GCPBackendPolicy", "shop", COOKIE);
    let second = first.replacen("name: shop", "name: second", 1);
    let told = error(&[first, second]);
    let wanted = "spec.targetRef.name: error: a second GCPBackendPolicy for the Service shop; the first one is at \
                  all.yaml:50; keep one of the two";
    assert_eq!(told, wanted);
}

#[tokio::test]
async fn objects_with_an_affinity_that_is_not_read_are_reported() {
    for kind in ["GCPSessionAffinityPolicy", "GCPSessionAffinityFilter"] {
        let told = convert(&with(&[policy(kind, "shop", "{}")])).written().await.not_carried_over();
        let wanted = format!(
            "kind: not carried over: the affinity of a {kind} is not read; write `sessionAffinity` into a GCPBackendPolicy \
             of the Service"
        );
        assert!(told.len() == 1 && told[0].ends_with(&wanted), "{told:?}");
    }
}

#[tokio::test]
async fn a_ttl_without_a_cookie_is_left_out_and_reported() {
    for (affinity, name) in
        [("cookieTtlSec: 50", "NONE"), ("type: CLIENT_IP, cookieTtlSec: 7200", "CLIENT_IP")]
    {
        let settings = format!("{{sessionAffinity: {{{affinity}}}}}");
        let written = convert(&with(&[policy("GCPBackendPolicy", "shop", &settings)])).written().await;
        assert_eq!(written.service()["sessionAffinity"], json!({ "affinityType": name }));
        let told = written.not_carried_over();
        let wanted = format!(
            "spec.default.sessionAffinity.cookieTtlSec: not carried over: a TTL has no effect with the affinity type {name}; \
             leave the TTL out, or write the type GENERATED_COOKIE for sessions with this lifetime"
        );
        assert!(told.len() == 1 && told[0].ends_with(&wanted), "{told:?}");
    }
}

/// Two Services with these policies as backends of one rule.
async fn split(policies: [&str; 2]) -> Written {
    let split = "{backendRefs: [{name: one, port: 80, weight: 9}, {name: two, port: 80}]}";
    let mut others = vec![plain_gateway(), route("web", "[]", &[split])];
    for (name, settings) in ["one", "two"].iter().zip(policies) {
        if !settings.is_empty() {
            others.push(policy("GCPBackendPolicy", name, settings));
        }
    }
    convert(&manifests(&["one", "two"], &others)).written().await
}

#[tokio::test]
async fn a_rule_has_one_policy_and_the_other_policies_are_reported() {
    let client = "{sessionAffinity: {type: CLIENT_IP}, timeoutSec: 300}";
    let cookie = json!({ "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": 50 });
    let told = |used: &str, other: &str| {
        format!(
            "spec.rules[0]: not carried over: the policy of {other}: all backends of a rule have one policy, here that of \
             {used}; give these Services the same policy"
        )
    };
    let first = split([COOKIE, client]).await;
    assert_eq!(first.service()["sessionAffinity"], cookie);
    assert_eq!(first.routes()[0]["route"]["timeout"], "20s");
    assert!(first.not_carried_over()[0].ends_with(&told("one", "two")), "{}", first.said);
    // The first policy with an affinity is used, with all its settings.
    let second = split(["{timeoutSec: 300}", COOKIE]).await;
    assert_eq!(second.service()["sessionAffinity"], cookie);
    assert_eq!(second.routes()[0]["route"]["timeout"], "20s");
    assert!(second.not_carried_over()[0].ends_with(&told("two", "one")), "{}", second.said);
    let by_address = split([client, COOKIE]).await;
    assert_eq!(by_address.service()["sessionAffinity"], json!({ "affinityType": "CLIENT_IP" }));
    let same = split([COOKIE, COOKIE]).await;
    assert_eq!((same.not_carried_over(), same.notes()), (vec![], vec![]));
    let one = split([COOKIE, ""]).await;
    let note = "spec.rules[0]: note: two has no policy: the policy of one applies to all backends";
    assert!(one.notes().len() == 1 && one.notes()[0].ends_with(note), "{}", one.said);
}
