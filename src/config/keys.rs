//! `keys`: secrets, inline or from the environment. No error says what was given.

use std::collections::HashMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

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
    let mut ids = HashMap::new();
    for element in elements {
        let object = element.object(&["id", "secret", "env"])?;
        let id_field = object.required("id", ID)?;
        let id = id_field.string_that(is_id, ID)?;
        if let Some(first) = ids.insert(id, id_field.path().to_owned()) {
            return Err(id_field.error(&format!("duplicate of {first}"), "each id once"));
        }
        let secret = match (object.get("secret"), object.get("env")) {
            (Some(field), None) => decode(&field, field.string_that(|_| true, SECRET)?, "")?,
            (None, Some(field)) => {
                let name = field.string_that(|name| !name.is_empty(), "the name of a variable")?;
                let allowed = "a variable that vm_config.environment_variables hands to the VM";
                let value = environment(name).ok_or_else(|| field.error("not set", allowed))?;
                decode(&field, &value, "the variable's value is ")?
            }
            (Some(_), Some(_)) => return Err(object.error("both secret and env given", "one of them")),
            (None, None) => return Err(object.error("neither secret nor env given", "one of them")),
        };
        keys.push(Key::new(id.to_owned(), &secret));
    }
    Ok(keys)
}

fn is_id(text: &str) -> bool {
    (1..=8).contains(&text.len()) && super::service::is_name(text)
}

/// `what` says what is wrong where that is not the field itself.
fn decode(field: &Field<'_>, text: &str, what: &str) -> Result<Vec<u8>, ConfigError> {
    let error = |wrong: &str| field.error(&format!("{what}{wrong}"), SECRET);
    let bytes = BASE64_STANDARD.decode(text).map_err(|_| error("not base64"))?;
    if bytes.len() < MIN_SECRET_LEN {
        return Err(error("too short"));
    }
    Ok(bytes)
}
