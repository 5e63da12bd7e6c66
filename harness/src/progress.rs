//! Shows the progress of long tasks.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A line on standard error during a task: a spinner on a terminal, plain lines elsewhere.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    message: String,
}

impl Progress {
    /// Starts the line. `message` names the task: "downloading Envoy 1.40.0".
    ///
    /// # Panics
    /// Never, because the template is a constant.
    #[must_use]
    pub fn start(message: impl Into<String>) -> Self {
        let message = message.into();
        let bar = ProgressBar::new_spinner();
        if bar.is_hidden() {
            eprintln!("{message} ...");
        }
        let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})").expect("a valid template");
        bar.set_style(style);
        bar.set_message(message.clone());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, message }
    }

    /// Ends the line with the result: "done", "37 MB", "failed".
    pub fn finish(self, how: &str) {
        let line = format!("{}: {how} ({:.1} s)", self.message, self.bar.elapsed().as_secs_f64());
        let hidden = self.bar.is_hidden();
        self.bar.finish_and_clear();
        if hidden {
            eprintln!("{line}");
        } else {
            eprintln!("✔ {line}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
