//! Modified tokens, and values that were never tokens.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use harness::client::Client;
use harness::envoy::Envoy;
use serde_json::{Value, json};

use super::{SECRETS, key, token_of, with_keys};
use crate::support::{envoy, fetch_each, generated_cookie, outcome, pods};

/// Each of these values of the filter's cookie begins a new session, and none is an error.
async fn assert_all_invalid(envoy: &Envoy, tokens: Vec<Vec<u8>>) {
    let requests = tokens.iter().map(|token| vec![("cookie", [b"GCLB=", token.as_slice()].concat())]);
    let replies = fetch_each(Client::http1, &envoy.url(), requests.collect()).await;
    for (token, reply) in tokens.iter().zip(replies) {
        let shown = String::from_utf8_lossy(token);
        assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (200, "invalid"), "{shown}");
        assert_eq!(reply.set_cookies.len(), 1, "{shown}");
    }
}

/// All ways to flip one bit.
fn flips(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len() * 8).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    })
}

fn encode(bytes: &[u8]) -> Vec<u8> {
    Base64UrlUnpadded::encode_string(bytes).into_bytes()
}

async fn assert_no_change_goes_unnoticed(plugin: &Value) {
    let pods = pods(2);
    let mut plugin = plugin.clone();
    plugin["backends"] = crate::support::names(&pods);
    let envoy = envoy(&pods, &plugin).await;
    let text = token_of(&envoy.url(), "GCLB").await.into_bytes();
    let bytes = Base64UrlUnpadded::decode_vec(str::from_utf8(&text).unwrap()).unwrap();
    assert_eq!(encode(&bytes), text);

    // Control characters are not legal in a header: Envoy's parser refuses such a request.
    let legal = |text: &Vec<u8>| text.iter().all(|byte| !byte.is_ascii_control());
    assert_all_invalid(&envoy, flips(&text).filter(legal).collect()).await;
    assert_all_invalid(&envoy, flips(&bytes).map(|flipped| encode(&flipped)).collect()).await;

    let shortened = (0..text.len()).flat_map(|cut| [text[..cut].to_vec(), text[text.len() - cut..].to_vec()]);
    assert_all_invalid(&envoy, shortened.collect()).await;
    let shortened =
        (0..bytes.len()).flat_map(|cut| [encode(&bytes[..cut]), encode(&bytes[bytes.len() - cut..])]);
    assert_all_invalid(&envoy, shortened.collect()).await;
    let mut longer = vec![[text.clone(), text.clone()].concat()];
    for more in [b"A".as_slice(), b"=", b"-", b".", b"\xff"] {
        longer.extend([[&text, more].concat(), [more, &text].concat()]);
        longer.extend([encode(&[&bytes, more].concat()), encode(&[more, &bytes].concat())]);
    }
    assert_all_invalid(&envoy, longer).await;
}

#[tokio::test]
async fn no_change_to_a_sealed_token_goes_unnoticed() {
    assert_no_change_goes_unnoticed(&with_keys(&[], &json!([key("a", SECRETS[0]), key("b", SECRETS[1])])))
        .await;
}

#[tokio::test]
async fn no_accident_to_a_token_without_keys_goes_unnoticed() {
    assert_no_change_goes_unnoticed(&generated_cookie(&[], &json!({}))).await;
}

#[tokio::test]
async fn what_never_was_a_token_begins_a_new_session() {
    let pods = pods(2);
    let sealed = with_keys(&pods, &json!([key("a", SECRETS[0])]));
    let plain = generated_cookie(&pods, &json!({}));
    let (sealed, plain) = tokio::join!(envoy(&pods, &sealed), envoy(&pods, &plain));
    let mut garbage: Vec<Vec<u8>> = [
        "",
        "\"",
        "\"\"",
        "x",
        "null",
        "0",
        "-1",
        "neg-demo-0",
        "127.0.0.1:80",
        "CLLOyb2xw9S8dRAB",
        "a b c",
        "%00%00",
        "../../etc/passwd",
        "{\"backend\":\"neg-demo-0\"}",
        "GCLB=GCLB=",
        "=====",
        "Zürich",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    garbage.extend((0..=96).map(|len| encode(&vec![0; len])));
    garbage.extend((0..=255).map(|version| encode(&[&[version], [1; 43].as_slice()].concat())));
    garbage.extend((0..=255).map(|id_len| encode(&[&[2, id_len], b"a".as_slice(), &[1; 67]].concat())));
    garbage.extend([127, 128, 129, 1000, 8000].map(|len| vec![b'A'; len]));
    garbage.push((0x80..=0xff).collect());
    for envoy in [&sealed, &plain] {
        assert_all_invalid(envoy, garbage.clone()).await;
    }
}
