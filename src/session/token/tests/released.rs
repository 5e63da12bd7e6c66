//! The tokens of every release, `tests/golden/<version>.json`. Every later version must read them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::*;

/// The golden tokens of every release.
fn releases() -> Vec<Value> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = fs::read_dir(golden).unwrap().map(|file| file.unwrap().path());
    let json = files.filter(|file| file.extension().is_some_and(|extension| extension == "json"));
    json.map(|file| serde_json::from_slice(&fs::read(file).unwrap()).unwrap()).collect()
}

/// The codec that reads a golden token.
fn codec_for(golden: &Value) -> TokenCodec {
    let text = |field: &str| golden[field].as_str().unwrap();
    let secret = golden["secret"].as_str().map(|secret| base64ct::Base64::decode_vec(secret).unwrap());
    let secrets: Vec<&[u8]> = secret.iter().map(Vec::as_slice).collect();
    let name = text("name");
    let carrier = match text("carrier") {
        "cookie" => Carrier::Cookie(name),
        "header" => Carrier::Header(name),
        "header envelope" => Carrier::HeaderEnvelope(name),
        "cookie envelope" => Carrier::CookieEnvelope(name),
        other => panic!("no carrier {other}"),
    };
    codec_of(&secrets, text("service"), carrier, SMALLEST)
}

fn session_of(golden: &Value) -> Session {
    Session {
        start: golden["start"].as_u64().unwrap(),
        last_use: golden["lastUse"].as_u64(),
        seed: golden["seed"].as_u64().unwrap(),
        backend: BackendId::of(golden["backend"].as_str().unwrap()),
        endpoint: golden["endpoint"].as_str().map(at),
        https: golden["https"].as_bool().unwrap(),
    }
}

#[test]
fn this_version_reads_the_tokens_of_every_release() {
    let releases = releases();
    let names: Vec<&str> = releases.iter().map(|release| release["release"].as_str().unwrap()).collect();
    assert!(names.contains(&"0.2.0"), "the tokens of a release are kept for ever; there are {names:?}");
    for release in &releases {
        for golden in release["tokens"].as_array().unwrap() {
            let (codec, token) = (codec_for(golden), golden["token"].as_str().unwrap().as_bytes());
            let value = golden["value"].as_str().unwrap();
            let read = if value.is_empty() {
                codec.read(token).map(|session| (session, Vec::new()))
            } else {
                codec.read_envelope(token)
            };
            assert_eq!(read, Some((session_of(golden), value.into())), "{}: {golden}", release["release"]);
        }
    }
}

/// Each released version needs its file of tokens.
#[test]
fn this_version_has_its_tokens_once_it_is_released() {
    let changelog = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("CHANGELOG.md")).unwrap();
    let released = changelog.lines().filter_map(|line| line.strip_prefix("## [")?.split_once("] - "));
    let kept: Vec<Value> = releases().iter().map(|release| release["release"].clone()).collect();
    for (version, _) in released {
        assert!(kept.iter().any(|release| release == version), "tests/golden/{version}.json is missing");
    }
}
