//! `keys`: secrets, inline or from the environment. No error says what was given.

use base64ct::{Base64, Encoding};
use config_reader::{Claims, Field, Result};

use super::Environment;
use crate::keys::Key;

const ID: &str = "[A-Za-z0-9_-]{1,8}";
const SECRET: &str = "at least 32 bytes as base64 with padding (for example from: openssl rand -base64 32)";
const MIN_SECRET_LEN: usize = 32;

/// Reads the list.
pub fn read(keys: &mut Vec<Key>, field: &Field<'_>, environment: Environment<'_>) -> Result<()> {
    let elements = field.list()?;
    if elements.len() == 0 {
        return Err(field.error(&"empty", "at least one key, or no keys at all"));
    }
    let mut ids = Claims::default();
    for element in elements {
        let object = element.object(&["id", "secret", "env"])?;
        let id_field = object.required("id", ID)?;
        let id = id_field.string(is_id, ID)?;
        ids.claim(id, id_field.place(), "each id once")?;
        let secret = match (object.get("secret"), object.get("env")) {
            (Some(field), None) => decode(&field, field.string(|_| true, SECRET)?, "")?,
            (None, Some(field)) => {
                let name = field.string(|name| !name.is_empty(), "the name of a variable")?;
                let allowed = "a variable that vm_config.environment_variables hands to the VM";
                let value = environment(name).ok_or_else(|| field.error(&"not set", allowed))?;
                decode(&field, &value, "the variable's value is ")?
            }
            (Some(_), Some(_)) => return Err(object.error(&"both secret and env given", "one of them")),
            (None, None) => return Err(object.error(&"neither secret nor env given", "one of them")),
        };
        keys.push(Key::new(id.to_owned(), &secret));
    }
    Ok(())
}

fn is_id(text: &str) -> bool {
    (1..=8).contains(&text.len()) && super::service::is_name(text)
}

/// `what` says what is wrong where that is not the field itself.
fn decode(field: &Field<'_>, text: &str, what: &str) -> Result<Vec<u8>> {
    let wrong = match Base64::decode_vec(text) {
        Ok(bytes) if bytes.len() >= MIN_SECRET_LEN => return Ok(bytes),
        Ok(_) => "too short",
        Err(_) => "not base64",
    };
    Err(field.error(&format_args!("{what}{wrong}"), SECRET))
}
