//! A Markdown file: its code blocks, links and headings.

use std::fs;
use std::path::{Path, PathBuf};

use harness::workspace_root;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A Markdown file of this repository.
pub struct Page {
    /// Its path relative to the root of the repository.
    pub name: String,
    pub text: String,
}

/// A code block, or commands in a comment.
#[derive(Debug)]
pub struct Block {
    /// The language, such as `yaml` or `sh`.
    pub language: String,
    /// The text after the language.
    pub purpose: String,
    pub text: String,
    /// Page and line.
    pub place: String,
}

impl Block {
    fn new(fence: &str, place: String) -> Self {
        let (language, purpose) = fence.split_once(' ').unwrap_or((fence, ""));
        Self { language: language.to_owned(), purpose: purpose.trim().to_owned(), text: String::new(), place }
    }

    /// Why the block is not run, if it is not.
    pub fn not_run(&self) -> Option<&str> {
        self.purpose.strip_prefix("not-run: ")
    }

    /// The words of the purpose, if it begins with `run`.
    pub fn run(&self) -> Option<Vec<&str>> {
        let mut words = self.purpose.split_whitespace();
        (words.next() == Some("run")).then(|| words.collect())
    }
}

/// The README and all pages in `docs/`, to which the rules about length and code apply.
pub fn pages() -> Vec<Page> {
    let mut names = vec!["README.md".to_owned()];
    names.extend(markdown_in("docs"));
    names.into_iter().map(|name| Page::read(&name)).collect()
}

/// All Markdown files for readers, without those of tests.
pub fn all_pages() -> Vec<Page> {
    let directories = [".", "docs", "deploy", "deploy/helm/session-affinity", "bench", ".github"];
    directories.iter().flat_map(|directory| markdown_in(directory)).map(|name| Page::read(&name)).collect()
}

fn markdown_in(directory: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(workspace_root().join(directory)) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files = names.filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "md"));
    let mut paths: Vec<_> = files.map(|name| format!("{directory}/{name}")).collect();
    for path in &mut paths {
        *path = path.trim_start_matches("./").to_owned();
    }
    paths.sort();
    paths
}

impl Page {
    /// Reads `name`, a path relative to the root of the repository.
    pub fn read(name: &str) -> Self {
        let text = fs::read_to_string(workspace_root().join(name)).unwrap();
        Self { name: name.to_owned(), text }
    }

    /// The path of the page.
    pub fn path(&self) -> PathBuf {
        workspace_root().join(&self.name)
    }

    /// Code blocks and comments with commands, in order.
    pub fn blocks(&self) -> Vec<Block> {
        let (mut blocks, mut open) = (Vec::new(), None);
        for (event, range) in Parser::new_ext(&self.text, Options::ENABLE_TABLES).into_offset_iter() {
            let place = || format!("{}:{}", self.name, self.text[..range.start].lines().count() + 1);
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(fence))) => {
                    open = Some(Block::new(&fence, place()));
                }
                Event::Text(text) => {
                    if let Some(block) = &mut open {
                        block.text.push_str(&text);
                    }
                }
                Event::End(TagEnd::CodeBlock) => blocks.extend(open.take()),
                Event::Start(Tag::HtmlBlock) => {
                    let comment = self.text[range.clone()].trim().strip_prefix("<!-- run");
                    if let Some(commands) = comment.and_then(|comment| comment.strip_suffix("-->")) {
                        let (ports, commands) = commands.split_once('\n').unwrap();
                        let mut block = Block::new(&format!("sh run{ports}"), place());
                        commands.clone_into(&mut block.text);
                        blocks.push(block);
                    }
                }
                _ => {}
            }
        }
        blocks
    }

    /// The destinations of all links and images.
    pub fn links(&self) -> Vec<String> {
        let mut links = Vec::new();
        for event in Parser::new_ext(&self.text, Options::ENABLE_TABLES) {
            if let Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) = event {
                links.push(dest_url.into_string());
            }
        }
        links
    }

    /// The anchors that GitHub generates for the headings.
    pub fn anchors(&self) -> Vec<String> {
        let (mut anchors, mut heading) = (Vec::<String>::new(), None);
        for event in Parser::new_ext(&self.text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::Text(part) | Event::Code(part) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&part);
                    }
                }
                Event::End(TagEnd::Heading(_)) => {
                    let anchor = anchor(&heading.take().unwrap());
                    let same = |other: &&String| {
                        **other == anchor || other.strip_prefix(&*anchor).is_some_and(is_number)
                    };
                    match anchors.iter().filter(same).count() {
                        0 => anchors.push(anchor),
                        // A repeated heading gets a number.
                        count => anchors.push(format!("{anchor}-{count}")),
                    }
                }
                _ => {}
            }
        }
        anchors
    }
}

fn is_number(suffix: &str) -> bool {
    suffix.strip_prefix('-').is_some_and(|number| number.parse::<u32>().is_ok())
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn the_readme_and_every_page_are_short() {
    for page in pages() {
        let limit = if page.name == "README.md" { 250 } else { 400 };
        let lines = page.text.lines().count();
        assert!(lines <= limit, "{} has {lines} lines; allowed: {limit}", page.name);
    }
}

#[test]
fn every_page_says_what_it_is_for_and_where_to_go_next() {
    for page in pages().iter().filter(|page| page.name != "README.md") {
        let mut lines = page.text.lines();
        assert!(lines.next().unwrap().starts_with("# "), "{}", page.name);
        let (_, last) = page.text.rsplit_once("\n## ").unwrap();
        assert!(last.starts_with("Where to go "), "{} ends with {last}", page.name);
        assert!(last.contains("]("), "{} leads nowhere", page.name);
    }
}

#[test]
fn every_code_block_has_a_language_and_a_purpose() {
    for block in pages().iter().flat_map(Page::blocks) {
        let Block { language, purpose, place, .. } = &block;
        let is_known = match &**language {
            // tests/applications tests the configurations there.
            "sh" | "console" | "js" if place.starts_with("docs/works-with.md") => true,
            "sh" | "console" => block.run().is_some() || block.not_run().is_some(),
            "yaml" | "json" => purpose.is_empty() || block.not_run().is_some(),
            "text" | "nginx" | "haproxy" => purpose.is_empty(),
            _ => false,
        };
        assert!(is_known, "{place}: {language} {purpose}");
        assert!(block.not_run().is_none_or(|reason| reason.len() > 10), "{place}: no reason");
    }
}
