//! What a token reveals to its holder.

use std::collections::HashSet;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use harness::client::{Client, Reply};
use serde_json::json;

use super::{SECRETS, key, with_keys};
use crate::support::{envoy, fetch_each, generated_cookie, pods};

fn decoded_token(reply: &Reply) -> Vec<u8> {
    let pair = reply.cookie_pair("GCLB").unwrap();
    let text = pair.strip_prefix("GCLB=").unwrap();
    assert!(text.len() <= 128, "{text}");
    Base64UrlUnpadded::decode_vec(text).unwrap()
}

#[tokio::test]
async fn sealed_tokens_do_not_show_which_of_them_belong_to_one_backend() {
    let pods = pods(2);
    let envoy = envoy(&pods, &with_keys(&pods, &json!([key("key-id-8", SECRETS[0])]))).await;
    let replies = fetch_each(Client::http1, &envoy.url(), vec![Vec::new(); 400]).await;
    let tokens: Vec<_> = replies.iter().map(decoded_token).collect();
    let len = tokens[0].len();
    assert!(tokens.iter().all(|token| token.len() == len), "one length for all");
    assert_eq!(tokens.iter().collect::<HashSet<_>>().len(), tokens.len(), "no two are the same");
    // A position with the same byte in all tokens, such as a version or the id of the key, reveals nothing.
    let different = |tokens: &[Vec<u8>], place: usize| {
        tokens.iter().map(|token| token[place]).collect::<HashSet<_>>().len()
    };
    let places: Vec<_> = (0..len).filter(|place| different(&tokens, *place) > 1).collect();
    for pod in &pods {
        let name = pod.name().as_bytes();
        assert!(!tokens.iter().any(|token| token.windows(name.len()).any(|window| window == name)));
        // All other positions look random among the tokens of one backend as well. 100 random bytes have 5 or fewer
        // different values once in 10^100 runs.
        let own = replies.iter().filter(|reply| reply.pod == pod.name());
        let own: Vec<_> = own.map(decoded_token).collect();
        assert!(own.len() > 100);
        assert!(places.iter().all(|place| different(&own, *place) > 5));
    }
}

#[tokio::test]
async fn a_token_without_keys_holds_no_name_of_a_cluster_and_no_address() {
    let pods = pods(2);
    let envoy = envoy(&pods, &generated_cookie(&pods, &json!({}))).await;
    for reply in fetch_each(Client::http1, &envoy.url(), vec![Vec::new(); 50]).await {
        let token = decoded_token(&reply);
        for pod in &pods {
            let address = pod.address().to_string();
            for secret in [pod.name(), &address] {
                assert!(!token.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
            }
        }
    }
}
