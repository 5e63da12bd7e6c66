//! Sample output: compares a page's lines with the printed lines.

/// Stands for any lines.
const ANY_LINES: &str = "...";
/// Stands for any part of a line.
const ANY_PART: char = '…';

/// Whether the output matches the page. Any of three backends may respond.
pub fn matches(sample: &str, output: &str) -> bool {
    let lines = |text: &str| {
        let lines = text.trim_end().lines();
        lines.map(|line| same_backend(line.trim_end())).collect::<Vec<_>>()
    };
    lines_match(&lines(sample), &lines(output))
}

fn lines_match(sample: &[String], output: &[String]) -> bool {
    let Some((first, rest)) = sample.split_first() else { return output.is_empty() };
    if first == ANY_LINES {
        return (0..=output.len()).any(|skipped| lines_match(rest, &output[skipped..]));
    }
    output.split_first().is_some_and(|(line, others)| line_matches(first, line) && lines_match(rest, others))
}

fn line_matches(sample: &str, line: &str) -> bool {
    let mut parts = sample.split(ANY_PART);
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut last = None;
    for part in parts {
        last = Some(part);
        match rest.find(part) {
            Some(start) => rest = &rest[start + part.len()..],
            None => return false,
        }
    }
    last.map_or(rest.is_empty(), |last| line.ends_with(last))
}

/// Replaces the names of all backends of an example by one name.
fn same_backend(line: &str) -> String {
    (0..3).fold(line.to_owned(), |line, digit| {
        let line = line.replace(&format!("pod-{digit}"), "pod-N");
        let line = line.replace(&format!("127.0.0.1:938{digit}"), "127.0.0.1:938N");
        let line = line.replace(&format!("app-{digit}"), "app-N");
        line.replace(&format!("neg-demo-{digit}"), "neg-demo-N")
    })
}

#[test]
fn a_sample_may_leave_out_lines_and_parts_of_lines() {
    for (sample, output) in [
        ("a\nb", "a\nb\n"),
        ("a\n...\nd", "a\nb\nc\nd"),
        ("...\nd", "d"),
        ("...", ""),
        ("cookie: …; Path=/", "cookie: abc; Path=/"),
        ("cookie: …", "cookie: abc"),
        ("pod-1", "pod-2"),
    ] {
        assert!(matches(sample, output), "{sample:?} {output:?}");
    }
    for (sample, output) in [
        ("a", "a\nb"),
        ("a\nb", "a"),
        ("a\n...\nd", "a\nb"),
        ("cookie: …; Path=/", "cookie: abc; Path=/x"),
        ("cookie: …; Path=/", "cooky: abc; Path=/"),
        ("pod-1", "pod-7"),
    ] {
        assert!(!matches(sample, output), "{sample:?} {output:?}");
    }
}
