//! A Wasm filter: whether it is a session-affinity filter, where its configuration is, and the filter's own error about it.

use std::borrow::Cow;

use session_affinity::config::{Config, ConfigError};

use super::embedded::{self, Mapping};
use super::file::At;
use super::form::{self, FormError};
use super::manifests::Kind;
use super::merge_keys::{self, MERGE_KEY};
use super::{json, partial};
use crate::source::Place;
use crate::yaml::{self, Node, Reader, Value};

/// A Wasm filter.
pub struct Plugin<'a> {
    /// The message, or the part of a manifest, that configures the filter. It identifies the filter.
    pub message: At<'a>,
    /// Who reads the message.
    pub kind: Kind,
    /// Whether this is a session-affinity filter, by a name or by its configuration.
    pub is_ours: bool,
    /// The plugin configuration in Envoy's file, if there is one.
    pub written: Option<At<'a>>,
    /// The error in the form of the configuration, if Envoy refuses the form.
    pub form_error: Option<FormError<'a>>,
    /// The bytes that the filter receives.
    bytes: Cow<'a, [u8]>,
    /// The configuration as a separate tree, if it is text in the file.
    embedded: Option<Node>,
    /// The text in the file, and the positions of its bytes.
    text: Option<(String, Mapping)>,
    /// The result of reading the configuration with the filter's own code.
    pub config: Result<Config, ConfigError>,
    /// The configuration without the fields that are wrong.
    partial: Option<Config>,
}

impl<'a> Plugin<'a> {
    /// The filter that Envoy's message configures.
    pub fn of_envoy(message: At<'a>, filter_name: &str) -> Self {
        let name = message.text_at(&["config", "name"]);
        let root_id = message.text_at(&["config", "root_id"]);
        let code = ["config", "vm_config", "code"];
        let file = message.at(&code).and_then(|code| code.text_at(&["local", "filename"]));
        let uri = message.at(&code).and_then(|code| code.text_at(&["remote", "http_uri", "uri"]));
        let names = [name, root_id, file, uri].map(Option::unwrap_or_default);
        let configuration = message.at(&["config", "configuration"]);
        let mut plugin = Self::new(message, Kind::Envoy, configuration, &names);
        plugin.is_ours |= is_ours(filter_name);
        plugin
    }

    /// The filter that a message, or a part of a manifest, configures. `written` is its configuration.
    pub fn new(message: At<'a>, kind: Kind, written: Option<At<'a>>, names: &[&str]) -> Self {
        let mut plugin = Self {
            message,
            kind,
            is_ours: false,
            written,
            form_error: None,
            bytes: Cow::default(),
            embedded: None,
            text: None,
            config: Ok(Config::default()),
            partial: None,
        };
        if let Some(written) = written {
            plugin.read(written);
        }
        plugin.config = plugin.parsed(&plugin.bytes);
        plugin.partial = plugin.read_partially();
        let is_valid = plugin.config.is_ok() && written.is_some();
        plugin.is_ours = names.iter().any(|name| is_ours(name)) || is_valid || plugin.looks_like_ours();
        plugin
    }

    fn read(&mut self, written: At<'a>) {
        if self.kind != Kind::Envoy {
            return self.read_object(written);
        }
        self.form_error = form::error(written);
        // Also in a wrong form, the configuration is read: it may have further errors.
        let inner = written.get("value").unwrap_or(written);
        let is_bytes = written.type_name() == Some(form::BYTES);
        if let Some(bytes) = inner.text().filter(|_| is_bytes).and_then(form::bytes) {
            if let Ok(text) = String::from_utf8(bytes.clone()) {
                let mapping = Mapping::whole(&text, &inner.node.defined);
                self.embed(text, mapping);
            }
            self.bytes = Cow::Owned(bytes);
        } else if inner.text().is_some() {
            self.read_text(inner);
        } else if inner.type_name().is_some() {
            let fields = inner.node.fields().iter().filter(|(key, _)| key.name != "@type").cloned();
            let object = Node { value: Value::Map(fields.collect()), ..inner.node.clone() };
            self.read_fields(&object);
            self.embedded = Some(object);
        } else {
            self.read_object(inner);
        }
    }

    fn read_text(&mut self, written: At<'a>) {
        let text = written.text().unwrap_or_default();
        let mapping = Mapping::new(text, &written.file.unredacted.text, &written.node.defined);
        self.embed(text.to_owned(), mapping);
        self.bytes = Cow::Borrowed(text.as_bytes());
    }

    fn read_object(&mut self, object: At<'a>) {
        self.written = Some(object);
        self.read_fields(object.node);
    }

    fn read_fields(&mut self, fields: &Node) {
        // A Struct without fields has no bytes.
        if !fields.fields().is_empty() {
            self.bytes = Cow::Owned(self.json(fields).into_bytes());
        }
    }

    /// The JSON that the filter receives for a tree of its configuration.
    fn json(&self, tree: &Node) -> String {
        let text = &self.message.file.unredacted.text;
        // In text, numbers are JSON already.
        let is_yaml = self.has_yaml_for_envoy() && !text.trim_start().starts_with('{');
        json::of(tree, is_yaml.then_some(text))
    }

    /// The configuration, or what can be read of it without fields that are wrong and that decide nothing about routes
    /// and clusters.
    pub fn readable(&self) -> Option<&Config> {
        self.config.as_ref().ok().or(self.partial.as_ref())
    }

    /// Reads the configuration without the fields that are wrong.
    fn read_partially(&self) -> Option<Config> {
        const MOST_ERRORS: usize = 100;
        let mut tree = self.tree()?.clone();
        let mut error = self.config.as_ref().err()?.clone();
        for _ in 0..MOST_ERRORS {
            if !partial::is_dispensable(&error) || !partial::remove(&mut tree, error.path()) {
                return None;
            }
            match self.parsed(self.json(&tree).as_bytes()) {
                Ok(config) => return Some(config),
                Err(next) => error = next,
            }
        }
        None
    }

    fn parsed(&self, bytes: &[u8]) -> Result<Config, ConfigError> {
        Config::parse(bytes, &|name: &str| self.kind.variable(self.message, name))
    }

    /// The filter's name if it has one, else its message: a short place for the whole filter.
    pub fn name_or_message(&self) -> At<'a> {
        self.message.get("config").filter(|_| self.kind == Kind::Envoy).unwrap_or(self.message).name_or_self()
    }

    /// Whether the filter receives no configuration.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether the configuration is YAML in a file for Envoy, and not text in it or part of a manifest.
    pub fn has_yaml_for_envoy(&self) -> bool {
        self.kind == Kind::Envoy && self.text.is_none()
    }

    fn embed(&mut self, text: String, mapping: Mapping) {
        self.embedded =
            yaml::parse(&text, Reader::Envoy).ok().and_then(|documents| documents.into_iter().next());
        if let Some(tree) = &mut self.embedded {
            mapping.apply(tree);
        }
        self.text = Some((text, mapping));
    }

    /// Whether the configuration has fields that only this filter has.
    fn looks_like_ours(&self) -> bool {
        let Some(tree) = self.tree() else {
            // Text that is not valid JSON or YAML.
            return self.text.as_ref().is_some_and(|(text, _)| text.contains("\"sessionAffinity\""));
        };
        let mut services = tree.get("services").into_iter().flat_map(Node::items);
        tree.get("sessionAffinity").is_some()
            || services
                .any(|service| ["sessionAffinity", "backends"].iter().any(|name| service.get(name).is_some()))
    }

    fn tree(&self) -> Option<&Node> {
        self.embedded.as_ref().or_else(|| {
            let written = self.written?;
            (written.type_name().is_none() && self.text.is_none()).then_some(written.node)
        })
    }

    /// The value at a path such as `services[0].routes[1]`.
    pub fn node(&self, path: &str) -> Option<&Node> {
        steps(path).try_fold(self.tree()?, step)
    }

    /// The prefix of the paths of a service's fields: `services[1].`, or nothing for a single service.
    pub fn service_path(&self, index: usize) -> String {
        if self.node("services").is_some() { format!("services[{index}].") } else { String::new() }
    }

    /// The place of a path, or of its nearest existing ancestor.
    pub fn place(&self, path: &str) -> Place {
        let written = self.written.unwrap_or(self.message);
        let field = if path == "(root)" { String::new() } else { path.to_owned() };
        let Some(mut node) = self.tree() else {
            let (value, field) = (written.get("value").unwrap_or(written), field);
            return value.place_of(value.node, field);
        };
        let mut key = None;
        for name in steps(path) {
            let Some(next) = step(node, name) else { break };
            key = node.key(name);
            node = next;
        }
        let mut place = written.place_of(node, field);
        // For a mapping or a list in block style, the place is that of its key.
        if let Some(key) = key.filter(|_| node.defined.is_empty()) {
            place.span = key.defined.clone();
        }
        place
    }

    /// The place of an error of the filter.
    pub fn place_of_error(&self, error: &ConfigError) -> Place {
        let mut place = self.place(error.path());
        if error.problem().starts_with("unknown field")
            && let Some((object, name)) = error.path().rsplit_once('.').or(Some(("", error.path())))
            && let Some(key) = self.node(object).and_then(|object| object.key(name))
        {
            place.span = key.defined.clone();
        }
        if merge_keys::is_cause(error)
            && let Some(key) = self.node(error.path()).and_then(|object| object.key(MERGE_KEY))
        {
            place.span = key.defined.clone();
        }
        let Some((text, mapping)) = &self.text else {
            return place;
        };
        if let Some((line, column)) = line_and_column(error.problem()) {
            let at = embedded::byte_offset(text, line, column);
            let end = text.get(at..).and_then(|rest| rest.chars().next()).map_or(at, |c| at + c.len_utf8());
            place.span = mapping.map(&(at..end));
        } else if self.embedded.is_none()
            && let Err(error) = yaml::parse(text, Reader::Envoy)
        {
            // For a field that is given twice, the YAML parser gives the place.
            place.span = mapping.map(&error.span);
        }
        place
    }
}

/// Whether the name of a file, a filter or a plugin is one of this filter.
fn is_ours(name: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    name.contains("session_affinity")
}

fn line_and_column(problem: &str) -> Option<(usize, usize)> {
    let problem = problem.strip_prefix("not JSON: ")?.split("; allowed: ").next()?;
    let (_, place) = problem.rsplit_once(" at line ")?;
    let (line, column) = place.split_once(" column ")?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

/// The steps of a path: names, and indices of elements.
pub fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split(['.', '[', ']']).filter(|step| !step.is_empty() && *step != "(root)")
}

fn step<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    match name.parse::<usize>() {
        Ok(index) if matches!(node.value, Value::List(_)) => node.items().get(index),
        _ => node.get(name),
    }
}
