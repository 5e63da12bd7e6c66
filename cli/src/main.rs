//! The command `session-affinity`.

fn main() {}
