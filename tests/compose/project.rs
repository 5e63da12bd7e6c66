//! A Compose file, run as a separate project.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, MutexGuard};

/// The maximum time of any expected event. The test does not wait longer than needed.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// 32 bytes that are not secret.
const KEY: &str = "Y29tcG9zZS10ZXN0LWNvbXBvc2UtdGVzdC1jb21wb3M=";

/// Sends a request to Envoy's admin interface from within its container, as the file's own health check does.
const ASK_ADMIN: &str = r#"exec 3<>/dev/tcp/127.0.0.1/9901
    printf 'GET %s HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n' "$1" >&3
    while IFS= read -r line <&3; do printf '%s\n' "${line%$'\r'}"; done"#;

/// One project at a time: tests count requests that fail within one or two seconds.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A Compose file with a unique project name and port. All its containers are removed when this value is dropped. If
/// the drop happens in a panic, the containers' log is printed.
pub struct Project {
    file: &'static str,
    name: String,
    port: u16,
    _alone: MutexGuard<'static, ()>,
}

impl Project {
    /// Starts all services of a Compose file.
    ///
    /// # Panics
    /// If no Docker engine responds, or the module has not been built.
    pub async fn up(file: &'static str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let alone = ONE_AT_A_TIME.lock().await;
        let version = Command::new("docker").arg("version").stdin(Stdio::null()).output();
        assert!(
            version.is_ok_and(|output| output.status.success()),
            "no Docker engine answers: start one, or run `.ci/docker cargo xtask test --compose`"
        );
        let module = harness::workspace_root().join("target/session_affinity.wasm");
        assert!(module.is_file(), "{} does not exist: run `cargo xtask build` first", module.display());
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("session-affinity-test-{}-{number}", std::process::id());
        // The port is free now, and the system does not assign it again immediately.
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let project = Self { file, name, port, _alone: alone };
        project.apply(&[]);
        project
    }

    /// The URL of Envoy from outside its container.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `docker compose up --detach --wait` with further arguments.
    pub fn apply(&self, arguments: &[&str]) {
        self.compose(&[&["up", "--detach", "--wait"], arguments].concat());
    }

    /// `docker compose` for this project. Returns its output.
    pub fn compose(&self, arguments: &[&str]) -> String {
        output(&mut self.command(arguments))
    }

    /// `docker compose down`, which must remove everything of the project.
    pub fn down(self) {
        self.compose(&["down"]);
        let label = format!("label=com.docker.compose.project={}", self.name);
        for list in [&["ps", "--all"][..], &["network", "ls"], &["volume", "ls"]] {
            let left = docker(&[list, &["--quiet", "--filter", &label]].concat());
            assert_eq!(left, "", "docker {} lists something of the project", list.join(" "));
        }
    }

    /// A field of `docker inspect` for each of a service's containers, sorted.
    pub fn inspect(&self, service: &str, format: &str) -> Vec<String> {
        let ids = self.compose(&["ps", "--quiet", service]);
        let mut found: Vec<String> =
            ids.lines().map(|id| docker(&["inspect", "--format", format, id])).collect();
        found.sort();
        found
    }

    /// Waits until Envoy's cluster with the service's name has exactly the addresses of the service's containers.
    pub async fn wait_for_addresses(&self, service: &str) {
        let real = self.inspect(service, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
        eventually(&format!("Envoy knows the addresses {real:?} of {service}"), async || {
            self.known_addresses(service) == real
        })
        .await;
    }

    fn known_addresses(&self, cluster: &str) -> Vec<String> {
        let page = self.admin("/clusters");
        // "neg-demo-0::172.18.0.2:9376::health_flags::healthy"
        let hosts = page.lines().filter_map(|line| line.strip_prefix(cluster)?.strip_prefix("::"));
        let hosts = hosts.filter_map(|line| line.split_once("::health_flags::")).map(|(host, _)| host);
        let addresses = hosts.filter_map(|host| host.rsplit_once(':')).map(|(address, _)| address.to_owned());
        let mut addresses: Vec<String> = addresses.collect();
        addresses.sort();
        addresses
    }

    /// The service's count of the outcome.
    pub fn outcome(&self, outcome: &str) -> u64 {
        let name = format!("session_affinity.service.default.outcome.{outcome}");
        let page = self.admin(&format!("/stats?filter={name}"));
        let count = page.lines().find_map(|line| line.split_once(&format!("{name}: ")));
        count.unwrap_or_else(|| panic!("no counter {name} in:\n{page}")).1.parse().unwrap()
    }

    /// The log of Envoy and the pods.
    pub fn log(&self) -> String {
        self.compose(&["logs", "--no-color", "--no-log-prefix"])
    }

    fn admin(&self, path: &str) -> String {
        self.compose(&["exec", "-T", "envoy", "bash", "-c", ASK_ADMIN, "bash", path])
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(["compose", "--file", self.file, "--project-name", &self.name]).args(arguments);
        command.current_dir(harness::workspace_root());
        command.env("ENVOY_PORT", self.port.to_string()).env("SESSION_AFFINITY_KEY", KEY);
        // Variables for the user's own projects.
        for name in ["COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"] {
            command.env_remove(name);
        }
        command
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.command(&["logs", "--no-color", "--tail", "100"]).output();
            eprintln!("{}", log.map_or_else(|error| error.to_string(), |log| text(&log.stdout)));
        }
        let down = self.command(&["down", "--volumes", "--remove-orphans", "--timeout", "5"]).output();
        if !down.is_ok_and(|output| output.status.success()) {
            eprintln!("the project {} could not be taken down", self.name);
        }
    }
}

/// `docker`. Returns its output.
pub fn docker(arguments: &[&str]) -> String {
    output(Command::new("docker").args(arguments))
}

/// Runs a command that must succeed. Returns its output, without the last line break.
pub fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?} failed:\n{}", text(&output.stderr));
    text(&output.stdout).trim_end().to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until the condition holds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}
