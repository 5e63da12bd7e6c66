//! The matches of an `HTTPRoute`: paths, methods, headers and query parameters.

use minijinja::{Value, context};
use serde_saphyr::Spanned;

use super::configuration::Match;
use super::manifests::HttpRoute;
use super::manifests::fields::is_token;
use super::manifests::gateway::{PathMatch, PathMatchType, RouteMatch, ValueMatch, ValueMatchType};
use super::remarks::Remarks;

/// The help for a path that the Gateway API does not accept.
pub const PATHS: &str = "write `/` and what follows it, without `?`, `#`, `//`, `/./`, `/../`, `%2f`";

/// The precedence of a match. Exact paths come first, then the longest path, then a method, then the most headers, then
/// the most query parameters.
pub type Precedence = (bool, usize, bool, usize, usize);

/// The match for Envoy, and its precedence. A rule without matches matches everything.
pub fn converted(
    route: &HttpRoute,
    one: Option<&Spanned<RouteMatch>>,
    remarks: &mut Remarks,
) -> (Match, Precedence) {
    let Some(Spanned { value: RouteMatch { path, headers, query_params, method }, .. }) = one else {
        return (Match::path("prefix", "/"), (false, 1, false, 0, 0));
    };
    let (mut shape, length) = path_match(route, path.as_ref(), remarks);
    let precedence = (
        shape.field == "path",
        length,
        method.is_some(),
        headers.as_ref().map_or(0, Vec::len),
        query_params.as_ref().map_or(0, Vec::len),
    );
    let method = method.iter();
    let mut all: Vec<Value> = method
        .map(|method| context! { name => ":method", string_match => context! { exact => method } })
        .collect();
    all.extend(headers.iter().flatten().map(|one| value_match(route, one, remarks)));
    shape.headers = all;
    let query = query_params.iter().flatten();
    shape.query_parameters = query.map(|one| value_match(route, one, remarks)).collect();
    (shape, precedence)
}

/// The match of a path, and the length of the path.
fn path_match(route: &HttpRoute, path: Option<&PathMatch>, remarks: &mut Remarks) -> (Match, usize) {
    let kind = path.and_then(|path| path.kind).unwrap_or(PathMatchType::PathPrefix);
    let written = path.and_then(|path| path.value.as_ref());
    let value = written.map_or("/", |value| &value.value);
    let base = value.trim_end_matches('/');
    let shape = match kind {
        PathMatchType::Exact => Match::path("path", value),
        PathMatchType::RegularExpression => Match::path("safe_regex", value),
        PathMatchType::PathPrefix if base.is_empty() => Match::path("prefix", "/"),
        PathMatchType::PathPrefix => Match::path("path_separated_prefix", base),
    };
    if let Some(written) = written {
        match kind {
            PathMatchType::RegularExpression => check_regex(route, written, remarks),
            PathMatchType::Exact | PathMatchType::PathPrefix if !is_path(value) => {
                remarks.error(route.at(written), format!("not a path: {value:?}"), PATHS);
            }
            PathMatchType::Exact | PathMatchType::PathPrefix => {}
        }
    }
    (shape, value.len())
}

/// Whether the Gateway API accepts the path, as the schema of `HTTPRoute` says.
pub fn is_path(path: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-/._~!$&'()*+,;=:@%".contains(&byte);
    let has_odd_parts = path.split('/').any(|part| part == "." || part == "..")
        || path.contains("//")
        || path.to_ascii_lowercase().contains("%2f");
    path.starts_with('/') && path.bytes().all(is_allowed) && !has_odd_parts
}

fn value_match(route: &HttpRoute, one: &ValueMatch, remarks: &mut Remarks) -> Value {
    check_name(route, &one.name, remarks);
    let (name, value) = (&one.name.value, &one.value.value);
    let string_match = match one.kind.unwrap_or(ValueMatchType::Exact) {
        ValueMatchType::Exact => context! { exact => value },
        ValueMatchType::RegularExpression => {
            check_regex(route, &one.value, remarks);
            context! { safe_regex => context! { regex => value } }
        }
    };
    context! { name => name, string_match => string_match }
}

/// Whether the name is a valid name of a header or a query parameter. Reports any other name.
pub fn check_name(route: &HttpRoute, name: &Spanned<String>, remarks: &mut Remarks) -> bool {
    let is_valid = is_token(&name.value);
    if !is_valid {
        let message = format!("not a name: {:?}", name.value);
        remarks.error(route.at(name), message, "write letters, digits and `-`");
    }
    is_valid
}

/// Reports a regular expression that Envoy cannot compile.
fn check_regex(route: &HttpRoute, written: &Spanned<String>, remarks: &mut Remarks) {
    let problem = match regex_syntax::parse(&written.value) {
        Ok(_) if !written.value.is_empty() => return,
        Ok(_) => "it is empty".to_owned(),
        Err(regex_syntax::Error::Parse(error)) => error.kind().to_string(),
        Err(regex_syntax::Error::Translate(error)) => error.kind().to_string(),
        Err(_) => "its syntax is wrong".to_owned(),
    };
    let message = format!("not a regular expression: {:?}: {problem}", written.value);
    remarks.error(route.at(written), message, "write a regular expression in the syntax of RE2");
}
