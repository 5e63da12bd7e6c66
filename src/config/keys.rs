//! `keys`: secrets, inline or from the environment. No error says what was given.

use std::collections::HashSet;

use base64ct::{Base64, Encoding};

use super::Environment;
use super::reader::{ConfigError, Field};
use crate::keys::Key;

const ID: &str = "[A-Za-z0-9_-]{1,8}";
const SECRET: &str = "at least 32 bytes as base64 with padding (for example from: openssl rand -base64 32)";
const MIN_SECRET_LEN: usize = 32;

/// Reads the list.
pub fn read(field: &Field<'_>, environment: Environment<'_>) -> Result<Vec<Key>, ConfigError> {
    let elements = field.list()?;
    if elements.is_empty() {
        return Err(field.error("empty", "at least one key, or no keys at all"));
    }
    let mut keys = Vec::new();
    let mut ids = HashSet::new();
    for element in elements {
        let object = element.object(&["id", "secret", "env"])?;
        let id_field = object.required("id", ID)?;
        let id = id_field.string_that(is_id, ID)?;
        if !ids.insert(id) {
            return Err(id_field.error("duplicate", "each id once"));
        }
        let secret = match (object.get("secret"), object.get("env")) {
            (Some(field), None) => decode(&field, field.string()?)?,
            (None, Some(field)) => {
                let name = field.string_that(|name| !name.is_empty(), "the name of a variable")?;
                let allowed = "a variable that vm_config.environment_variables hands to the VM";
                let value = environment(name).ok_or_else(|| field.error("not set", allowed))?;
                decode(&field, &value)?
            }
            (Some(_), Some(_)) => return Err(object.error("both given", "secret or env")),
            (None, None) => return Err(object.error("neither given", "secret or env")),
        };
        keys.push(Key::new(id.to_owned(), &secret));
    }
    Ok(keys)
}

fn is_id(text: &str) -> bool {
    (1..=8).contains(&text.len()) && super::service::is_name(text)
}

fn decode(field: &Field<'_>, text: &str) -> Result<Vec<u8>, ConfigError> {
    let bytes = Base64::decode_vec(text).map_err(|_| field.error("not base64", SECRET))?;
    if bytes.len() < MIN_SECRET_LEN {
        return Err(field.error("too short", SECRET));
    }
    Ok(bytes)
}
