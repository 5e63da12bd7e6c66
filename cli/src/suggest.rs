//! Similar names: the name that was probably meant.

/// The known name that is most similar to a misspelt name, if any is similar.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const NEAR: f64 = 0.55;
    let mut best = None;
    for candidate in known {
        let likeness = likeness(&name.to_lowercase(), &candidate.to_lowercase());
        if likeness >= NEAR && best.is_none_or(|(most, _)| likeness > most) {
            best = Some((likeness, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The similarity of two names: high if few edits lead from one to the other, or if one is part of the other.
fn likeness(one: &str, other: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(one, other).max(strsim::sorensen_dice(one, other))
}

/// Whether a long name, such as that of an annotation, is a misspelling of another name.
#[must_use]
pub fn is_nearly(name: &str, other: &str) -> bool {
    const MISSPELT: f64 = 0.9;
    strsim::normalized_damerau_levenshtein(name, other) >= MISSPELT
}

/// Whether one text is probably a misspelling of the other. Texts that differ only in numbers, such as `v1` and `v2`,
/// are different names.
#[must_use]
pub fn is_misspelt(one: &str, other: &str) -> bool {
    let without_digits = |text: &str| text.replace(|character: char| character.is_ascii_digit(), "");
    let allowed = (one.chars().count() / 5).max(1);
    without_digits(one) != without_digits(other) && strsim::damerau_levenshtein(one, other) <= allowed
}

/// The first names of a list, for a message.
#[must_use]
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const LONGEST: usize = 8;
    let mut names: Vec<_> = names.into_iter().collect();
    names.dedup();
    let more = if names.len() > LONGEST { ", …" } else { "" };
    names.truncate(LONGEST);
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ") + more
}
