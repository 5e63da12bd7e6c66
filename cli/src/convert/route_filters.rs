//! The filters of an `HTTPRoute`: changes to headers, redirects and rewrites.

use minijinja::{Value, context};
use serde_saphyr::Spanned;

use super::configuration::{Changes, Match};
use super::headers::{HeaderOption, escaped};
use super::manifests::HttpRoute;
use super::manifests::fields::Port;
use super::manifests::gateway::{Filter, HeaderModifier, PathModifier, RequestRedirect, Scheme};
use super::remarks::Remarks;
use super::route_match::{PATHS, check_name, is_path};

/// A redirect in place of a service.
#[derive(Clone, Debug)]
pub struct Redirect {
    /// Envoy's `RedirectAction`.
    pub action: Value,
    pub is_to_https: bool,
    /// The host of the new location, if it differs from the host of the request.
    pub host: Option<String>,
}

/// Applies a filter of a rule. Returns the redirect, if the filter is a redirect.
pub fn apply(
    route: &HttpRoute,
    filter: &Spanned<Filter>,
    shape: &Match,
    changes: &mut Changes,
    remarks: &mut Remarks,
) -> Option<Redirect> {
    let Filter {
        kind, request_header_modifier, response_header_modifier, request_redirect, url_rewrite, ..
    } = &filter.value;
    let headers = &mut changes.headers;
    match (&**kind, request_header_modifier, response_header_modifier, request_redirect, url_rewrite) {
        ("RequestHeaderModifier", Some(modifier), ..) => {
            let (added, removed) = modified(route, modifier, remarks);
            headers.request_headers_to_add.extend(added);
            headers.request_headers_to_remove.extend(removed);
        }
        ("ResponseHeaderModifier", _, Some(modifier), ..) => {
            let (added, removed) = modified(route, modifier, remarks);
            headers.response_headers_to_add.extend(added);
            headers.response_headers_to_remove.extend(removed);
        }
        ("RequestRedirect", _, _, Some(redirect), _) => {
            return Some(redirected(route, filter, redirect, shape, remarks));
        }
        ("URLRewrite", .., Some(rewrite)) => {
            let path = rewrite.path.as_ref();
            let path = path.map_or_else(Value::default, |path| rewritten(route, path, shape, remarks));
            let host = rewrite.hostname.as_ref().map(|host| &host.0);
            changes.rewrite = context! { host_rewrite_literal => host, ..path };
        }
        _ => {
            let why = format!("filters of type {kind} are not supported");
            remarks.not_carried_over(route.at(filter), why);
        }
    }
    None
}

fn redirected(
    route: &HttpRoute,
    filter: &Spanned<Filter>,
    redirect: &RequestRedirect,
    shape: &Match,
    remarks: &mut Remarks,
) -> Redirect {
    let code = redirect.status_code.as_ref();
    let response_code = match code.map_or(302, |code| code.value) {
        301 => "MOVED_PERMANENTLY",
        302 => "FOUND",
        303 => "SEE_OTHER",
        307 => "TEMPORARY_REDIRECT",
        308 => "PERMANENT_REDIRECT",
        other => {
            let place = code.map_or_else(|| route.at(filter), |code| route.at(code));
            remarks.error(
                place,
                format!("not a redirect status: {other}"),
                "write 301, 302, 303, 307 or 308",
            );
            "FOUND"
        }
    };
    let path = redirect.path.as_ref();
    let rewrite = path.map_or_else(Value::default, |path| rewritten(route, path, shape, remarks));
    let full = path.and_then(|path| path.replace_full_path.as_ref());
    let full = full.map(|full| if full.value.is_empty() { "/" } else { &full.value });
    let host = redirect.hostname.as_ref().map(|host| host.0.clone());
    let action = context! {
        scheme_redirect => redirect.scheme,
        host_redirect => host,
        port_redirect => redirect.port.map(Port::number),
        path_redirect => full,
        response_code => response_code,
        ..if full.is_none() { rewrite } else { Value::default() }
    };
    Redirect { action, is_to_https: redirect.scheme == Some(Scheme::Https), host }
}

/// Envoy's fields for a rewritten path.
fn rewritten(route: &HttpRoute, path: &PathModifier, shape: &Match, remarks: &mut Remarks) -> Value {
    let regex = |pattern: String, substitution: &str| {
        context! { regex_rewrite => context! { pattern => context! { regex => pattern }, substitution => substitution } }
    };
    let written = path.replace_full_path.as_ref().or(path.replace_prefix_match.as_ref());
    if let Some(written) = written.filter(|written| !written.value.is_empty() && !is_path(&written.value)) {
        let message = format!("not a path: {:?}", written.value);
        remarks.error(route.at(written), message, PATHS);
    }
    match (&path.replace_full_path, &path.replace_prefix_match) {
        (Some(full), _) => regex("^/.*$".to_owned(), if full.value.is_empty() { "/" } else { &full.value }),
        (None, Some(prefix)) => match (prefix.value.trim_end_matches('/'), shape.field) {
            // If the prefix is removed, the rest of the path keeps one slash.
            ("", "path_separated_prefix") => regex(format!("^{}/*", quoted(&shape.path)), "/"),
            ("", _) => Value::default(),
            (prefix, "prefix") => context! { prefix_rewrite => format!("{prefix}/") },
            (prefix, _) => context! { prefix_rewrite => prefix },
        },
        (None, None) => Value::default(),
    }
}

/// The path, escaped for a regular expression.
fn quoted(path: &str) -> String {
    let quoted =
        |one: char| if ".+*?()[]{}|^$\\".contains(one) { format!("\\{one}") } else { one.to_string() };
    path.chars().map(quoted).collect()
}

/// The headers that Envoy adds, and the names of the headers that it removes.
fn modified(
    route: &HttpRoute,
    modifier: &HeaderModifier,
    remarks: &mut Remarks,
) -> (Vec<HeaderOption>, Vec<String>) {
    let set = modifier.set.iter().flatten().map(|one| (one, "OVERWRITE_IF_EXISTS_OR_ADD"));
    let add = modifier.add.iter().flatten().map(|one| (one, "APPEND_IF_EXISTS_OR_ADD"));
    let mut added = Vec::new();
    for (one, action) in set.chain(add) {
        if one.value.value.chars().any(char::is_control) {
            let message = "not a value of a header: it has a control character";
            remarks.error(route.at(&one.value), message, "write the value on one line");
        }
        if is_allowed(route, &one.name, remarks) {
            added.push(HeaderOption::new(&one.name.value, escaped(&one.value.value), action));
        }
    }
    let removed = modifier.remove.iter().flatten().filter(|name| is_allowed(route, name, remarks));
    (added, removed.map(|name| name.value.clone()).collect())
}

/// Whether Envoy can change a header.
fn is_allowed(route: &HttpRoute, name: &Spanned<String>, remarks: &mut Remarks) -> bool {
    if name.value.eq_ignore_ascii_case("host") {
        let message = "not carried over: Envoy does not allow a change of this header";
        remarks.warning(route.at(name), message, "write a URLRewrite filter with a `hostname`");
        return false;
    }
    check_name(route, name, remarks)
}
