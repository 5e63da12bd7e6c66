//! A single field, and the configurations that test it.

use super::Refused;

/// One value of each JSON type. The tests use the value as the name of the type.
const TYPES: [&str; 6] = ["null", "true", "7", r#""7""#, "[]", "{}"];

/// A field, or an element of a list.
pub struct Field {
    /// The configuration around the field. `@` marks the position of the field.
    within: &'static str,
    path: &'static str,
    /// The text in which errors describe valid values.
    allowed: String,
    /// Its type, as a value in [`TYPES`].
    types: &'static [&'static str],
    accepted: Vec<String>,
    /// Values of the right type that are refused, and the error of each.
    refused: Vec<(String, &'static str)>,
}

pub fn field(
    within: &'static str,
    path: &'static str,
    allowed: &str,
    types: &'static [&'static str],
) -> Field {
    let allowed = allowed.to_owned();
    Field { within, path, allowed, types, accepted: Vec::new(), refused: Vec::new() }
}

pub fn integer(within: &'static str, path: &'static str, min: u32, max: u32) -> Field {
    let mut field = field(within, path, &format!("an integer from {min} to {max}"), &["7"]);
    let below = i64::from(min) - 1;
    let above = i64::from(max) + 1;
    field.accepted = vec![min.to_string(), max.to_string(), format!("{max}.0")];
    field.refused = vec![
        (below.to_string(), "out of range"),
        (above.to_string(), "out of range"),
        (format!("{min}.5"), "not an integer"),
    ];
    field
}

pub fn boolean(within: &'static str, path: &'static str) -> Field {
    field(within, path, "true or false", &["true"]).takes(&["true", "false"])
}

pub fn word(within: &'static str, path: &'static str, words: &[&str]) -> Field {
    let mut field = field(within, path, &words.join(", "), &[r#""7""#]);
    field.accepted = words.iter().map(|word| quote(word)).collect();
    field.refused = ["", &words[0].to_lowercase(), &format!("{} ", words[0])]
        .map(|text| (quote(text), "unknown value"))
        .to_vec();
    field
}

pub fn text(within: &'static str, path: &'static str, allowed: &str, legal: &[&str]) -> Field {
    let mut field = field(within, path, allowed, &[r#""7""#]);
    field.accepted = legal.iter().map(|text| quote(text)).collect();
    field
}

pub fn object(within: &'static str, path: &'static str) -> Field {
    field(within, path, "an object", &["{}"])
}

pub fn list(within: &'static str, path: &'static str) -> Field {
    field(within, path, "a list", &["[]"])
}

impl Field {
    /// Replaces the valid values by these, each written as JSON.
    pub fn takes(mut self, values: &[&str]) -> Self {
        self.accepted = values.iter().map(|value| (*value).to_owned()).collect();
        self
    }

    /// Adds texts that are not valid.
    pub fn refuses(mut self, texts: &[&str]) -> Self {
        self.refused.extend(texts.iter().map(|text| (quote(text), "illegal value")));
        self
    }

    fn is_element(&self) -> bool {
        self.path.ends_with(']')
    }

    /// The field as it appears in the configuration. Elements of lists have no name.
    fn written(&self, value: &str) -> String {
        let name = self.path.rsplit('.').next().unwrap();
        if self.is_element() { value.to_owned() } else { format!("{}:{value}", quote(name)) }
    }

    fn config(&self, fields: &str) -> String {
        self.within.replace('@', fields)
    }

    /// The cases with an error in this field.
    pub fn refused(&self) -> Vec<Refused> {
        let case = |value: &str, wrong: &str| {
            let problem = format!("{wrong}; allowed: {}; given: {}", self.allowed, shown(self.path, value));
            Refused::new(self.config(&self.written(value)), self.path, problem)
        };
        let wrong_types = TYPES.iter().filter(|value| !self.types.contains(value));
        let mut cases: Vec<_> = wrong_types.map(|value| case(value, "wrong type")).collect();
        cases.extend(self.refused.iter().map(|(value, wrong)| case(value, wrong)));
        if let Some(value) = self.accepted.first().filter(|_| !self.is_element()) {
            let field = self.written(value);
            let problem = format!("given twice; allowed: once; given: {}", shown(self.path, value));
            cases.push(Refused::new(self.config(&format!("{field},{field}")), self.path, problem));
        }
        cases
    }

    /// Configurations with each valid value.
    pub fn accepted(&self) -> Vec<String> {
        self.accepted.iter().map(|value| self.config(&self.written(value))).collect()
    }
}

pub fn quote(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// A value in the format of errors.
fn shown(path: &str, value: &str) -> String {
    const LONGEST: usize = 80;
    let text: Option<String> = serde_json::from_str(value).ok();
    match (value.as_bytes()[0], text) {
        _ if path == "keys" || path.starts_with("keys[") => "(not shown)".to_owned(),
        (_, Some(text)) => {
            let start: String = text.chars().take(LONGEST).collect();
            let rest = if start == text { "" } else { "..." };
            format!("\"{}\"{rest}", start.escape_default().to_string().replace(r"\'", "'"))
        }
        (b'[', _) if value == "[]" => "an empty list".to_owned(),
        (b'[', _) => "a list".to_owned(),
        (b'{', _) => "an object".to_owned(),
        _ => value.to_owned(),
    }
}
