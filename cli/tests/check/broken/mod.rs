//! Errors that people often make, as small edits of shipped files, and the diagnostics of `check`.

mod client_address;
mod clusters;
mod configuration;
mod endpoints;
mod headers;
mod manifests;
mod named_files;
mod order;
mod routes;
mod services;
mod syntax;
mod vm;
mod websockets;

use crate::support::{Copies, check};

/// An error in a shipped file, and its diagnostic.
pub struct Case {
    /// The name of the case: what is wrong.
    pub name: &'static str,
    /// The file that `check` is given.
    pub file: &'static str,
    /// The file that is edited.
    pub edited: &'static str,
    /// Texts to replace once, and the new texts.
    pub edits: &'static [(&'static str, &'static str)],
    pub level: &'static str,
    /// Part of the line that the diagnostic names.
    pub line: &'static str,
    /// Part of the message.
    pub message: &'static str,
    /// Part of the help: what to write.
    pub write: &'static str,
}

const CASES: [&[Case]; 13] = [
    configuration::CASES,
    services::CASES,
    routes::CASES,
    order::CASES,
    clusters::CASES,
    client_address::CASES,
    headers::CASES,
    endpoints::CASES,
    vm::CASES,
    websockets::CASES,
    syntax::CASES,
    named_files::CASES,
    manifests::CASES,
];

fn cases() -> impl Iterator<Item = &'static Case> {
    CASES.into_iter().flatten()
}

#[test]
fn each_error_is_reported_with_its_file_its_line_and_what_to_write() {
    let mut wrong = Vec::new();
    for case in cases() {
        let copies = Copies::new();
        for (from, to) in case.edits {
            copies.edit(case.edited, from, to);
        }
        let (found, code) = check(copies.path(), &[case.file]);
        let is_said = found.iter().any(|found| {
            found.level == case.level
                && found.file.ends_with(case.edited)
                && copies.line(&found.file, found.line).contains(case.line)
                && found.message.contains(case.message)
                && found.help.as_ref().is_some_and(|help| help.contains(case.write))
        });
        let has_error = found.iter().any(|found| found.level == "error");
        if !is_said || code != i32::from(has_error) {
            let lines: Vec<_> = found
                .iter()
                .map(|found| format!("{found:?}\n    {}", copies.line(&found.file, found.line)))
                .collect();
            wrong.push(format!("{} (exit code {code}):\n  {}", case.name, lines.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases().count(), wrong.join("\n"));
    assert!(cases().count() >= 30);
}
