//! Links have existing destinations.

use std::fs;

use crate::page::{Page, all_pages};

/// Pages that GitHub generates and that are not files.
const ON_GITHUB: [&str; 2] = ["issues", "releases"];

/// The error of a link, if there is one.
fn mistake(page: &Page, link: &str) -> Option<String> {
    if link.contains("://") {
        let is_plain = link.starts_with("https://") && !link.contains(char::is_whitespace);
        return (!is_plain).then(|| "no https address".to_owned());
    }
    if link.starts_with("../") && ON_GITHUB.iter().any(|name| link.ends_with(&format!("../{name}"))) {
        return None;
    }
    let (target, fragment) = link.split_once('#').unwrap_or((link, ""));
    let path = if target.is_empty() { page.path() } else { page.path().with_file_name("").join(target) };
    if !path.exists() {
        return Some("no such file".to_owned());
    }
    if fragment.is_empty() {
        return None;
    }
    let text = fs::read_to_string(&path).unwrap();
    let anchors = Page { name: target.to_owned(), text }.anchors();
    (!anchors.iter().any(|anchor| anchor == fragment)).then(|| format!("no such heading of {anchors:?}"))
}

#[test]
fn every_link_leads_to_a_file_and_to_a_heading_in_it() {
    let mut mistakes = Vec::new();
    for page in all_pages() {
        for link in page.links() {
            mistakes.extend(mistake(&page, &link).map(|wrong| format!("{}: {link}: {wrong}", page.name)));
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn a_link_that_leads_nowhere_would_be_found() {
    let page = Page::read("docs/keys.md");
    for link in ["no-such-page.md", "limits.md#no-such-heading", "#no-such-heading", "http://example.com/"] {
        assert!(mistake(&page, link).is_some(), "{link}");
    }
    for link in ["limits.md", "../README.md#quick-start", "#rotate-a-key", "https://example.com/"] {
        assert_eq!(mistake(&page, link), None, "{link}");
    }
}

#[test]
fn headings_that_are_equal_get_numbers() {
    let text = "# `pin: ENDPOINT`, why?\n## Keys\n## Keys\n".to_owned();
    let page = Page { name: "page.md".to_owned(), text };
    assert_eq!(page.anchors(), ["pin-endpoint-why", "keys", "keys-1"]);
}

#[test]
fn every_page_in_docs_is_linked_from_the_readme() {
    let readme = Page::read("README.md");
    let links = readme.links();
    for page in all_pages().iter().filter(|page| page.name.starts_with("docs/")) {
        assert!(links.contains(&page.name), "{}", page.name);
    }
}
