//! Headers: lines of a name and a value.

/// Lines in their order, names in lower case.
pub type Lines = Vec<(String, Vec<u8>)>;

/// The values of a header.
pub fn values<'l>(lines: &'l Lines, name: &'l str) -> impl Iterator<Item = &'l [u8]> {
    lines.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_slice())
}

/// The ABI's encoding: the number of lines, their lengths, then names and values.
pub fn encode(lines: &Lines) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).expect("headers are small").to_le_bytes();
    let mut encoded = number(lines.len()).to_vec();
    for (name, value) in lines {
        encoded.extend([number(name.len()), number(value.len())].concat());
    }
    for (name, value) in lines {
        encoded.extend([name.as_bytes(), &[0], value, &[0]].concat());
    }
    encoded
}
