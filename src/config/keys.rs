//! `keys`: secrets, inline or from the environment. No error says what was given.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use config_reader::{Claims, Field};

use super::Environment;
use crate::keys::Key;

const ID: &str = "[A-Za-z0-9_-]{1,8}";
const SECRET: &str = "at least 32 bytes as base64 with padding (for example from: openssl rand -base64 32)";
const MIN_SECRET_LEN: usize = 32;

/// Reads the list.
pub fn read(field: &Field<'_>, environment: Environment<'_>) -> Vec<Key> {
    let mut ids = Claims::new(field.problems());
    let elements = field.list();
    if elements.len() == 0 {
        field.refuse(&"empty", "at least one key, or no keys at all");
    }
    elements.filter_map(|element| read_key(element, environment, &mut ids)).collect()
}

fn read_key(element: Field<'_>, environment: Environment<'_>, ids: &mut Claims<'_>) -> Option<Key> {
    let object = element.object(&["id", "secret", "env"]);
    let id_field = object.required("id", ID)?;
    let id = id_field.string(is_id, ID)?;
    ids.claim(id, id_field.place(), "each id once");
    let secret = match (object.get("secret"), object.get("env")) {
        (Some(field), None) => decode(&field, field.string(|_| true, SECRET)?, "")?,
        (None, Some(field)) => {
            let name = field.string(|name| !name.is_empty(), "the name of a variable")?;
            let Some(value) = environment(name) else {
                field.refuse(&"not set", "a variable that vm_config.environment_variables hands to the VM");
                return None;
            };
            decode(&field, &value, "the variable's value is ")?
        }
        (secret, _) => {
            let given = if secret.is_some() { "both secret and env" } else { "neither secret nor env" };
            object.refuse(&format_args!("{given} given"), "one of them");
            return None;
        }
    };
    Some(Key::new(id.to_owned(), &secret))
}

fn is_id(text: &str) -> bool {
    (1..=8).contains(&text.len()) && super::service::is_name(text)
}

/// `what` says what is wrong where that is not the field itself.
fn decode(field: &Field<'_>, text: &str, what: &str) -> Option<Vec<u8>> {
    let wrong = match BASE64_STANDARD.decode(text) {
        Ok(bytes) if bytes.len() >= MIN_SECRET_LEN => return Some(bytes),
        Ok(_) => "too short",
        Err(_) => "not base64",
    };
    field.refuse(&format_args!("{what}{wrong}"), SECRET);
    None
}
