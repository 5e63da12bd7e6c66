//! The files that `check` reads, and values in them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::embedded::Mapping;
use super::redact::redact;
use crate::diagnostic::Diagnostic;
use crate::source::{Place, Source};
use crate::yaml::{self, Node, Reader, Value};

/// A file, or a file that a `ConfigMap` or a `Secret` holds.
#[derive(Debug)]
pub struct File {
    /// The text for diagnostics, with secrets masked.
    pub source: Arc<Source>,
    /// The text as it was read, only to find positions.
    pub unredacted: Arc<Source>,
    /// The directory of relative paths in the file.
    pub directory: PathBuf,
    /// For a file in a `ConfigMap` or a `Secret`: its key, and the number of this manifest.
    pub embedded: Option<(String, usize)>,
    /// The documents of the file.
    pub documents: Vec<Node>,
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// The outer error: the file cannot be read. The inner error: the file is not YAML.
    pub fn read(path: &Path) -> anyhow::Result<Result<Self, Box<Diagnostic>>> {
        let source = Source::read(path)?;
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self::parse(&source, directory))
    }

    fn parse(source: &Arc<Source>, directory: PathBuf) -> Result<Self, Box<Diagnostic>> {
        match documents(source) {
            Ok(documents) => {
                let text = redact(&source.text, &documents);
                let redacted = Arc::new(Source { name: source.name.clone(), text });
                let unredacted = Arc::clone(source);
                Ok(Self { source: redacted, unredacted, directory, embedded: None, documents })
            }
            Err(mut diagnostic) => {
                let text = redact(&source.text, &[]);
                diagnostic.place.source = Arc::new(Source { name: source.name.clone(), text });
                Err(diagnostic)
            }
        }
    }

    /// The file inside a text of this file, such as a value of a `ConfigMap`. `None` if the text is not YAML.
    pub fn within(&self, text: At<'_>, key: &str, config_map: usize) -> Option<Self> {
        let written = text.text()?;
        let mapping = Mapping::new(written, &self.unredacted.text, &text.node.defined);
        let mut documents = yaml::parse(written, Reader::Envoy).ok()?;
        for document in &mut documents {
            mapping.apply(document);
        }
        Some(Self {
            source: Arc::clone(&self.source),
            unredacted: Arc::clone(&self.unredacted),
            directory: self.directory.clone(),
            embedded: Some((key.to_owned(), config_map)),
            documents,
        })
    }

    /// Whether one of the documents is an Envoy bootstrap.
    pub fn is_bootstrap(&self) -> bool {
        self.documents().any(At::is_bootstrap)
    }

    /// The documents.
    pub fn documents(&self) -> impl Iterator<Item = At<'_>> {
        self.documents.iter().map(|node| At { file: self, node })
    }
}

/// The documents of a file, each as its reader reads it.
fn documents(source: &Arc<Source>) -> Result<Vec<Node>, Box<Diagnostic>> {
    let for_envoy = yaml::documents(source, Reader::Envoy);
    let has_manifests = source.text.contains("apiVersion");
    if !has_manifests || (for_envoy.is_ok() && !source.text.contains("<<")) {
        return for_envoy;
    }
    let for_kubernetes = yaml::documents(source, Reader::Kubernetes)?;
    // Without Envoy's documents, as in a file of manifests, only Kubernetes reads the file.
    let for_envoy = match for_envoy {
        Err(error) if !for_kubernetes.iter().all(is_manifest) => return Err(error),
        documents => documents.unwrap_or_default(),
    };
    let mut for_envoy = for_envoy.into_iter();
    let choose = |document: Node| match for_envoy.next() {
        Some(other) if !is_manifest(&document) => other,
        _ => document,
    };
    Ok(for_kubernetes.into_iter().map(choose).collect())
}

/// Whether a document is a Kubernetes manifest.
pub fn is_manifest(document: &Node) -> bool {
    document.get("apiVersion").is_some() && document.get("kind").is_some()
}

/// A value of a file.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// The file.
    pub file: &'a File,
    /// The value.
    pub node: &'a Node,
}

impl<'a> At<'a> {
    /// The field with this name. Envoy also accepts the name in camelCase.
    pub fn get(self, name: &str) -> Option<At<'a>> {
        let is_name = |key: &str| key == name || is_camel_case_of(key, name);
        let (_, node) = self.node.fields().iter().find(|(key, _)| is_name(&key.name))?;
        Some(Self { node, ..self })
    }

    /// The field at the end of this path.
    pub fn at(self, names: &[&str]) -> Option<At<'a>> {
        names.iter().try_fold(self, |value, name| value.get(name))
    }

    /// Whether a document is an Envoy bootstrap.
    pub fn is_bootstrap(self) -> bool {
        ["static_resources", "dynamic_resources"].iter().any(|field| self.get(field).is_some())
    }

    /// Whether a document is a bootstrap, or has a message with a type.
    pub fn is_for_envoy(self) -> bool {
        let mut has_type = self.is_bootstrap();
        self.walk(&mut |at| has_type |= at.get("@type").is_some());
        has_type
    }

    /// The items of a list. Empty if the value is not a list.
    pub fn items(self) -> impl Iterator<Item = At<'a>> {
        self.node.items().iter().map(move |node| Self { node, ..self })
    }

    /// The items of the list at the end of this path. Envoy reads a single value as a list of this value.
    pub fn items_at(self, names: &[&str]) -> impl Iterator<Item = At<'a>> {
        let found = self.at(names);
        let is_single = |found: &Self| !matches!(found.node.value, Value::List(_) | Value::Null);
        found.filter(is_single).into_iter().chain(found.into_iter().flat_map(Self::items))
    }

    /// The fields of a mapping. Empty if the value is not a mapping.
    pub fn fields(self) -> impl Iterator<Item = (&'a str, At<'a>)> {
        self.node.fields().iter().map(move |(key, node)| (key.name.as_str(), Self { node, ..self }))
    }

    /// The text, if the value is text.
    pub fn text(self) -> Option<&'a str> {
        self.node.text()
    }

    /// The text of the field at the end of this path.
    pub fn text_at(self, names: &[&str]) -> Option<&'a str> {
        self.at(names)?.text()
    }

    /// Whether the value is `true`.
    pub fn is_true(self) -> bool {
        matches!(self.node.value, Value::Bool(true))
    }

    /// The number. JSON may encode it as text.
    #[expect(clippy::cast_precision_loss, reason = "no field takes a number of such a size")]
    pub fn number(self) -> Option<f64> {
        match &self.node.value {
            Value::Integer(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// A duration such as `1.5s`, in seconds.
    pub fn seconds(self) -> Option<f64> {
        self.text()?.strip_suffix('s')?.parse().ok()
    }

    /// The last part of `@type`.
    pub fn type_name(self) -> Option<&'a str> {
        let url = self.text_at(&["@type"])?;
        url.rsplit('/').next()
    }

    /// The type and the message of a `typed_config`, also inside a `TypedStruct`.
    pub fn typed(self) -> Option<(&'a str, At<'a>)> {
        let name = self.type_name()?;
        if name.ends_with(".TypedStruct") {
            let url = self.text_at(&["type_url"])?;
            return Some((url.rsplit('/').next()?, self.get("value")?));
        }
        Some((name, self))
    }

    /// Calls `visit` with this value and all values below.
    pub fn walk(self, visit: &mut dyn FnMut(At<'a>)) {
        visit(self);
        self.items().for_each(|item| item.walk(visit));
        self.fields().for_each(|(_, field)| field.walk(visit));
    }

    /// The name of a message if it has one, else the message: a short place to report something missing.
    pub fn name_or_self(self) -> Self {
        self.get("name").unwrap_or(self)
    }

    /// Whether both are the same value in the same file.
    pub fn is(self, other: At<'_>) -> bool {
        std::ptr::eq(self.node, other.node)
    }

    /// The place of the value. The place of a mapping or a list in block style is that of its first key or item.
    pub fn place(self) -> Place {
        let field = self.file.documents.iter().find_map(|document| field_of(document, self.node));
        self.place_of(self.node, field.map(|field| field.path).unwrap_or_default())
    }

    /// The place of a node of this file.
    pub fn place_of(self, node: &Node, field: String) -> Place {
        let mut node = node;
        while node.defined.is_empty() {
            let inner = match &node.value {
                Value::List(items) => items.first(),
                Value::Map(fields) => {
                    let Some((key, _)) = fields.first() else { break };
                    let span = key.defined.clone();
                    return Place { source: Arc::clone(&self.file.source), span, field };
                }
                _ => None,
            };
            let Some(inner) = inner else { break };
            node = inner;
        }
        Place { source: Arc::clone(&self.file.source), span: node.defined.clone(), field }
    }
}

/// The path of a value. `is_whole` tells whether the path begins at a message with a type.
struct FieldPath {
    path: String,
    is_whole: bool,
}

impl FieldPath {
    /// The path with a step before it, unless it is whole.
    fn after(mut self, step: &str) -> Self {
        if !self.is_whole {
            let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
            self.path = format!("{step}{dot}{}", self.path);
        }
        self
    }
}

/// The path of the value from the nearest message with a type, or from the document.
fn field_of(node: &Node, wanted: &Node) -> Option<FieldPath> {
    if std::ptr::eq(node, wanted) {
        return Some(FieldPath { path: String::new(), is_whole: false });
    }
    let mut items = node.items().iter().enumerate();
    let in_item = items.find_map(|(index, item)| Some(field_of(item, wanted)?.after(&format!("[{index}]"))));
    in_item.or_else(|| {
        let mut found =
            node.fields().iter().find_map(|(key, value)| Some(field_of(value, wanted)?.after(&key.name)))?;
        found.is_whole |= node.key("@type").is_some();
        Some(found)
    })
}

fn is_camel_case_of(key: &str, snake: &str) -> bool {
    let mut chars = key.chars();
    let mut upper = false;
    for letter in snake.chars() {
        if letter == '_' {
            upper = true;
            continue;
        }
        let expected = if upper { letter.to_ascii_uppercase() } else { letter };
        upper = false;
        if chars.next() != Some(expected) {
            return false;
        }
    }
    chars.next().is_none()
}
