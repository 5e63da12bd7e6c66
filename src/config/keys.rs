//! `keys`: secrets, inline or from the environment. No error shows a given value.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::Environment;
use super::error::Problem;
use super::path::FieldPath;
use super::text::{Rule, Text};
use super::unique::duplicate;
use crate::session::key::Key;

// `Debug` would show the secret, so the type does not implement it.
/// A secret, either in `env` or in `secret`.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct KeyFields {
    /// The name of the key in logs.
    id: Text<KeyId>,
    /// The secret: base64 of at least 32 bytes. Envoy shows an inline secret in `/config_dump`, so prefer `env`.
    secret: Option<Text<Secret>>,
    /// The variable of Envoy's environment that holds the secret. List the variable in `host_env_keys` too.
    env: Option<Text<Variable>>,
}

/// Checks the list and reads the secrets.
pub(crate) fn read(keys: Vec<KeyFields>, environment: Environment<'_>) -> Result<Vec<Key>, Problem> {
    if keys.is_empty() {
        return Err(Problem::new("empty", "at least one key, or leave keys out"));
    }
    let ids: Vec<_> = keys.iter().map(|key| key.id.as_str()).collect();
    if let Some((first, second)) = duplicate(&ids) {
        let path = |index: usize| FieldPath::default().then(index).then("id");
        return Err(Problem::duplicate(path(first), path(second), "each id once"));
    }
    let read =
        |(index, key): (usize, KeyFields)| key.into_key(environment).map_err(|problem| problem.within(index));
    keys.into_iter().enumerate().map(read).collect()
}

impl KeyFields {
    fn into_key(self, environment: Environment<'_>) -> Result<Key, Problem> {
        let secret = match (self.secret, self.env) {
            (Some(secret), None) => {
                decode(secret.as_str()).map_err(|wrong| Problem::new(wrong, Secret::ALLOWED).within("secret"))
            }
            (None, Some(name)) => from_variable(name.as_str(), environment).map_err(|p| p.within("env")),
            (Some(_), Some(_)) => Err(Problem::new("both secret and env given", "one of them")),
            (None, None) => Err(Problem::new("neither secret nor env given", "one of them")),
        };
        Ok(Key::new(self.id.into_string(), &secret?))
    }
}

fn from_variable(name: &str, environment: Environment<'_>) -> Result<Vec<u8>, Problem> {
    let Some(value) = environment(name) else {
        let allowed = "a variable that vm_config.environment_variables passes to the VM: list it in host_env_keys, and set \
                       it in Envoy's environment";
        return Err(Problem::new("not set", allowed));
    };
    decode(&value).map_err(|wrong| Problem::new(format!("the variable's value is {wrong}"), Secret::ALLOWED))
}

/// The bytes of a secret, or what is wrong with it.
fn decode(text: &str) -> Result<Vec<u8>, &'static str> {
    const MIN_LEN: usize = 32;
    match BASE64_STANDARD.decode(text) {
        Ok(bytes) if bytes.len() >= MIN_LEN => Ok(bytes),
        Ok(_) => Err("too short"),
        Err(_) => Err("not base64"),
    }
}

struct KeyId;

impl Rule for KeyId {
    const ALLOWED: &'static str = "[A-Za-z0-9_-]{1,8}";
    #[cfg(feature = "schema")]
    const PATTERN: &'static str = r"^[A-Za-z0-9_-]{1,8}$";

    fn allows(text: &str) -> bool {
        text.len() <= 8 && super::is_name(text)
    }
}

/// Any text. `decode` checks inline secrets and secrets from variables alike.
struct Secret;

impl Rule for Secret {
    const ALLOWED: &'static str =
        "at least 32 bytes as base64 with padding (for example from: openssl rand -base64 32)";
    #[cfg(feature = "schema")]
    const PATTERN: &'static str = concat!(
        r"^(?:[A-Za-z0-9+/]{4}){10,}(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|",
        r"[A-Za-z0-9+/]{4}[A-Za-z0-9+/][AQgw]==)$",
    );

    fn allows(_text: &str) -> bool {
        true
    }
}

struct Variable;

impl Rule for Variable {
    const ALLOWED: &'static str = "the name of a variable";
    #[cfg(feature = "schema")]
    const PATTERN: &'static str = r"[\s\S]";

    fn allows(text: &str) -> bool {
        !text.is_empty()
    }
}
