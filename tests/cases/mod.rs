//! Configurations, and whether they are accepted, or refused with which error. Two tests use this data: one with the
//! parser (`src/config/tests/parser.rs`), the other with a real Envoy (`tests/e2e/config_errors.rs`).

mod combinations;
mod field;
mod fields;
mod pins;
mod secrets;

pub use secrets::{ENVIRONMENT, NEVER_SHOWN, SECRET};

/// A refused configuration and its error.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The configuration: JSON text, or text that should be JSON.
    pub config: String,
    /// The path in the error.
    pub path: String,
    /// The message of the error.
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

/// All configurations that must be accepted, as JSON text.
pub fn accepted() -> Vec<String> {
    [fields::accepted(), combinations::accepted(), pins::accepted(), secrets::accepted()].concat()
}
