//! A shell for the commands of one page.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// The maximum time that a command takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// The shell prints this after the output of each command, before its exit code.
const END: &str = "--end-of-command--";

/// A shell in its own directory. The processes that the shell started end with it.
pub struct Shell {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Shell {
    /// Starts a shell that finds programs in `path` first.
    pub fn start(directory: &Path, path: &Path) -> Self {
        let search = format!("{}:{}", path.display(), std::env::var("PATH").unwrap());
        let mut child = Command::new("bash")
            .current_dir(directory)
            .env("PATH", search)
            .env("CURL_HOME", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("bash");
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        Self { child, input, lines }
    }

    /// Runs commands to their end. Returns their output, and the exit code of the last one.
    pub fn run(&mut self, commands: &str) -> (String, i32) {
        writeln!(self.input, "{{ {commands}\n}} 2>&1 </dev/null; printf '\\n{END} %d\\n' $?").unwrap();
        let mut output = String::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("{commands}\ndoes not end:\n{output}"));
            if let Some(code) = line.strip_prefix(END) {
                return (output, code.trim().parse().unwrap());
            }
            output.push_str(&line);
            output.push('\n');
        }
    }

    /// Starts commands that keep running.
    pub fn start_in_background(&mut self, commands: &str) {
        writeln!(self.input, "( {commands}\n) >>background.log 2>&1 </dev/null &").unwrap();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}
