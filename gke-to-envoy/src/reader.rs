//! Reads fields, and says exactly what is wrong where. A field that is `null` is one that is not there, as in
//! Kubernetes.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use crate::report::{Place, Report};
use crate::yaml::{Entry, Node, Value};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    file: &'a Arc<str>,
    path: String,
    line: u64,
    value: &'a Value,
}

/// A mapping, whose fields are known ones.
#[derive(Debug)]
pub struct Object<'a> {
    file: &'a Arc<str>,
    path: String,
    line: u64,
    entries: &'a [Entry],
    known: RefCell<Vec<&'static str>>,
}

/// A text or a value derived from one, and where it stands.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub place: Place,
}

impl<'a> Item<'a> {
    /// A document as a whole, or an item of a `List`, whose fields are called as in a manifest of its own.
    pub fn root(file: &'a Arc<str>, node: &'a Node) -> Self {
        Self { file, path: String::new(), line: node.line, value: &node.value }
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        Place::new(self.file, self.line, self.path.clone())
    }

    /// What was written.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// Says that it is not what is allowed.
    pub fn wrong(&self, report: &mut Report, wrong: &str, allowed: &str) {
        report.mistake(&self.place(), wrong, allowed, self.value);
    }

    /// The mapping that it must be.
    pub fn object(&self, report: &mut Report) -> Option<Object<'a>> {
        if let Value::Map(entries) = self.value {
            let (path, known) = (self.path.clone(), RefCell::default());
            return Some(Object { file: self.file, path, line: self.line, entries, known });
        }
        self.wrong(report, "wrong type", "an object");
        None
    }

    /// The items of the list that it must be.
    pub fn list(&self, report: &mut Report) -> Vec<Item<'a>> {
        if let Value::List(nodes) = self.value {
            let item = |(index, node): (usize, &'a Node)| Item {
                file: self.file,
                path: format!("{}[{index}]", self.path),
                line: node.line,
                value: &node.value,
            };
            return nodes.iter().enumerate().map(item).collect();
        }
        self.wrong(report, "wrong type", "a list");
        Vec::new()
    }

    /// The text that it must be.
    pub fn text(&self, report: &mut Report) -> Option<&'a str> {
        if let Value::Text(text) = self.value {
            return Some(text);
        }
        self.wrong(report, "wrong type", "a string");
        None
    }

    /// The text that it must be, with its place.
    pub fn located(&self, report: &mut Report) -> Option<Located<String>> {
        Some(Located { value: self.text(report)?.to_owned(), place: self.place() })
    }

    /// The boolean that it must be.
    pub fn boolean(&self, report: &mut Report) -> Option<bool> {
        if let Value::Bool(value) = *self.value {
            return Some(value);
        }
        self.wrong(report, "wrong type", "true or false");
        None
    }

    /// The integer in a range that it must be.
    pub fn integer<T>(&self, report: &mut Report, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i128> + PartialOrd + Display,
    {
        let allowed = format!("an integer from {} to {}", range.start(), range.end());
        let Value::Integer(value) = *self.value else {
            self.wrong(report, "wrong type", &allowed);
            return None;
        };
        let value = T::try_from(value).ok().filter(|value| range.contains(value));
        if value.is_none() {
            self.wrong(report, "out of range", &allowed);
        }
        value
    }

    /// The number from 0 to 1 that it must be.
    pub fn fraction(&self, report: &mut Report) -> Option<f64> {
        const ALLOWED: &str = "a number from 0 to 1";
        let value = match *self.value {
            Value::Float(value) => value,
            Value::Integer(0) => 0.0,
            Value::Integer(1) => 1.0,
            _ => {
                self.wrong(report, "wrong type or out of range", ALLOWED);
                return None;
            }
        };
        if (0.0..=1.0).contains(&value) {
            return Some(value);
        }
        self.wrong(report, "out of range", ALLOWED);
        None
    }

    /// One of the names that a type has.
    pub fn one_of<T: FromStr>(&self, report: &mut Report, allowed: &str) -> Option<T> {
        let value = self.text(report)?.parse().ok();
        if value.is_none() {
            self.wrong(report, "unknown value", allowed);
        }
        value
    }
}

impl<'a> Object<'a> {
    /// Where it stands.
    pub fn place(&self) -> Place {
        Place::new(self.file, self.line, self.path.clone())
    }

    /// A field, where it is there.
    pub fn get(&self, key: &'static str) -> Option<Item<'a>> {
        self.known.borrow_mut().push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(self.item(entry)).filter(|item| !matches!(item.value, Value::Null))
    }

    /// A field that must be there.
    pub fn require(&self, report: &mut Report, key: &'static str, allowed: &str) -> Option<Item<'a>> {
        let item = self.get(key);
        if item.is_none() {
            report.error(&self.place().field(self.path_of(key)), format!("missing; allowed: {allowed}"));
        }
        item
    }

    /// All fields, in order, whatever their names.
    pub fn items(&self) -> impl Iterator<Item = (&'a str, Item<'a>)> + '_ {
        self.entries.iter().map(|entry| (&*entry.key, self.item(entry)))
    }

    /// Fields that Kubernetes knows, and that say nothing about where requests go.
    pub fn ignore(&self, keys: &[&'static str]) {
        self.known.borrow_mut().extend(keys);
    }

    /// Says of every field that was not asked for that it is unknown.
    pub fn refuse_others(&self, report: &mut Report) {
        let mut known = self.known.borrow().clone();
        known.sort_unstable();
        known.dedup();
        for entry in self.entries.iter().filter(|entry| !known.contains(&&*entry.key)) {
            let place = Place::new(self.file, entry.line, self.path_of(&entry.key));
            report.error(&place, format!("unknown field; allowed: {}", known.join(", ")));
        }
    }

    fn item(&self, entry: &'a Entry) -> Item<'a> {
        let path = self.path_of(&entry.key);
        Item { file: self.file, path, line: entry.line, value: &entry.value.value }
    }

    fn path_of(&self, key: &str) -> String {
        // Names of annotations and labels have dots of their own.
        match (self.path.is_empty(), key.contains(['.', '/'])) {
            (true, _) => key.to_owned(),
            (false, true) => format!("{}[{key}]", self.path),
            (false, false) => format!("{}.{key}", self.path),
        }
    }
}
