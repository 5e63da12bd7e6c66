//! Configurations, and whether they are accepted or refused with which error. This is data for two runs, one on
//! the parser (`src/config/tests/parser.rs`) and one on a real Envoy (`tests/e2e/config_errors.rs`).

mod combinations;
mod field;
mod fields;
mod pins;
mod secrets;

pub use secrets::{ENVIRONMENT, NEVER_SHOWN, SECRET};

/// A configuration that is refused, and the error.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The configuration, meant to be JSON text.
    pub config: String,
    /// Where the error is said to be.
    pub path: String,
    /// What the error says.
    pub problem: String,
}

impl Refused {
    /// The case in which `config` has `problem` at `path`.
    fn new(config: impl Into<String>, path: &str, problem: impl Into<String>) -> Self {
        Self { config: config.into(), path: path.to_owned(), problem: problem.into() }
    }

    /// The line that Envoy logs.
    pub fn line(&self) -> String {
        format!("config error at {}: {}", self.path, self.problem)
    }
}

/// All configurations that must be refused.
pub fn refused() -> Vec<Refused> {
    [fields::refused(), combinations::refused(), pins::refused(), secrets::refused()].concat()
}

/// All configurations that must be taken, JSON text.
pub fn accepted() -> Vec<String> {
    [fields::accepted(), combinations::accepted(), pins::accepted(), secrets::accepted()].concat()
}
