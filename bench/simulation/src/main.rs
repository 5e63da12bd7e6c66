//! A fleet of Envoys and many sessions, on the filter's own decisions, without any Envoy: do all Envoys agree where
//! a session goes, and who moves when backends come and go?
//!
//! `simulation <sessions>` prints one JSON object a line, which `cargo xtask bench` makes a table of.

mod fleet;

use std::io::{self, Write as _};
use std::process::ExitCode;

use fleet::{Affinity, Fleet};
use serde_json::json;

/// Backends at the beginning.
const BACKENDS: u32 = 1_000;
/// The sizes of fleets.
const ENVOYS: [u32; 4] = [1, 10, 100, 1_000];

/// What happens to the backends.
struct Event {
    name: &'static str,
    /// The first and the last backend afterwards, and the weight of every second one.
    after: (u32, u32, u32),
}

const EVENTS: [Event; 5] = [
    Event { name: "nothing", after: (0, BACKENDS, 1) },
    Event { name: "every second weight is 5", after: (0, BACKENDS, 5) },
    Event { name: "one backend more", after: (0, BACKENDS + 1, 1) },
    Event { name: "one backend less", after: (1, BACKENDS, 1) },
    Event { name: "100 backends less", after: (100, BACKENDS, 1) },
];

fn main() -> ExitCode {
    let sessions = std::env::args().nth(1).and_then(|count| count.parse().ok());
    let Some(sessions) = sessions else {
        eprintln!("usage: simulation <sessions>");
        return ExitCode::FAILURE;
    };
    match run(sessions) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(sessions: u32) -> io::Result<()> {
    for affinity in [Affinity::GeneratedCookie, Affinity::ClientIp] {
        let clients = Fleet { affinity, envoys: 1, first: 0, end: BACKENDS, every_second: 1 }.begin(sessions);
        // Hashed clients take a thousand times the work each, and differ from fleet to fleet as little.
        let sizes = if affinity == Affinity::ClientIp { &ENVOYS[ENVOYS.len() - 1..] } else { &ENVOYS[..] };
        for &envoys in sizes {
            for Event { name, after: (first, end, every_second) } in &EVENTS {
                // Hashed clients have no memory: another weight is another choice, which is no surprise.
                if affinity == Affinity::ClientIp && *every_second != 1 {
                    continue;
                }
                let fleet = Fleet { affinity, envoys, first: *first, end: *end, every_second: *every_second };
                let answers = fleet.ask(&clients);
                let moved = clients.moved(&answers);
                let line = json!({
                    "affinity": affinity.name(),
                    "event": name,
                    "envoys": envoys,
                    "sessions": sessions,
                    "disagreements": answers.disagreements(),
                    "moved": moved,
                    "had_to": clients.on(|backend| backend < *first),
                    "fullest": clients.fullest(&answers, end - first),
                });
                writeln!(io::stdout(), "{line}")?;
            }
        }
    }
    Ok(())
}
