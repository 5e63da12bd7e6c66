//! Headers that a BackendConfig adds, translated for Envoy.

use serde::Serialize;
use serde_saphyr::Spanned;

use super::manifests::BackendConfig;
use super::manifests::backend_config::{Header, Headers};
use super::remarks::Remarks;

/// Google's variables that Envoy supports, with Envoy's names.
const VARIABLES: [(&str, &str); 7] = [
    ("client_ip_address", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
    ("client_port", "%DOWNSTREAM_REMOTE_PORT%"),
    ("client_protocol", "%PROTOCOL%"),
    ("server_ip_address", "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"),
    ("server_port", "%DOWNSTREAM_LOCAL_PORT%"),
    ("tls_sni_hostname", "%REQUESTED_SERVER_NAME%"),
    ("tls_version", "%DOWNSTREAM_TLS_VERSION%"),
];

/// Envoy's `HeaderValueOption`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeaderOption {
    header: HeaderValue,
    append_action: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    keep_empty_value: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct HeaderValue {
    key: String,
    value: String,
}

impl HeaderOption {
    /// A header for Envoy.
    pub fn new(key: &str, value: String, append_action: &'static str) -> Self {
        let keep_empty_value = value.is_empty();
        Self { header: HeaderValue { key: key.to_owned(), value }, append_action, keep_empty_value }
    }
}

/// The headers that Envoy can add. Reports the other headers.
pub fn translated(
    config: &BackendConfig,
    headers: Option<&Headers>,
    remarks: &mut Remarks,
) -> Vec<HeaderOption> {
    let headers = headers.iter().flat_map(|headers| headers.headers.iter().flatten());
    headers.filter_map(|header| translated_one(config, header, remarks)).collect()
}

fn translated_one(
    config: &BackendConfig,
    header: &Spanned<Header>,
    remarks: &mut Remarks,
) -> Option<HeaderOption> {
    let Header { name, value } = &header.value;
    let why = if name.eq_ignore_ascii_case("host") {
        "Envoy does not allow adding this header".to_owned()
    } else {
        match with_envoys_variables(value) {
            Ok(value) => return Some(HeaderOption::new(name, value, "OVERWRITE_IF_EXISTS_OR_ADD")),
            Err(variable) => format!("Envoy has no variable {{{variable}}}: the whole header is left out"),
        }
    };
    remarks.not_carried_over(config.at(header), why);
    None
}

/// `{client_port}` becomes `%DOWNSTREAM_REMOTE_PORT%`. The error is a variable that Envoy does not have.
fn with_envoys_variables(value: &str) -> Result<String, &str> {
    let mut words = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('{') {
        words.push_str(&escaped(before));
        let Some((variable, after)) = after.split_once('}') else {
            words.push('{');
            rest = after;
            continue;
        };
        let (_, format) = VARIABLES.iter().find(|(name, _)| *name == variable).ok_or(variable)?;
        words.push_str(format);
        rest = after;
    }
    words.push_str(&escaped(rest));
    Ok(words)
}

/// Text for Envoy, which reads a text between `%` as a variable.
pub fn escaped(text: &str) -> String {
    text.replace('%', "%%")
}
