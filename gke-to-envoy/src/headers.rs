//! Headers that a BackendConfig adds, in Envoy's language.

use crate::manifest::Header;
use crate::reader::Located;
use crate::report::Report;

/// Google's variables that Envoy has too, by Envoy's name for them.
const VARIABLES: [(&str, &str); 7] = [
    ("client_ip_address", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
    ("client_port", "%DOWNSTREAM_REMOTE_PORT%"),
    ("client_protocol", "%PROTOCOL%"),
    ("server_ip_address", "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"),
    ("server_port", "%DOWNSTREAM_LOCAL_PORT%"),
    ("tls_sni_hostname", "%REQUESTED_SERVER_NAME%"),
    ("tls_version", "%DOWNSTREAM_TLS_VERSION%"),
];

/// All headers that Envoy can add; of the others it says so.
pub fn translated(headers: &[Located<Header>], report: &mut Report) -> Vec<(String, String)> {
    headers.iter().filter_map(|header| translated_one(header, report)).collect()
}

fn translated_one(header: &Located<Header>, report: &mut Report) -> Option<(String, String)> {
    let Header { name, value } = &header.value;
    if name.eq_ignore_ascii_case("host") {
        report.not_carried_over(&header.place, "Envoy lets no such header be added");
        return None;
    }
    match in_envoys_words(value) {
        Ok(value) => Some((name.clone(), value)),
        Err(variable) => {
            let why = format!("Envoy has no variable {{{variable}}}: the whole header is left out");
            report.not_carried_over(&header.place, why);
            None
        }
    }
}

/// `{client_port}` becomes `%DOWNSTREAM_REMOTE_PORT%`; the error is a variable that Envoy does not have.
fn in_envoys_words(value: &str) -> Result<String, &str> {
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

/// What stands between `%` is a variable to Envoy.
fn escaped(text: &str) -> String {
    text.replace('%', "%%")
}
