//! One Compose file, run as a project of its own.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use harness::progress::Progress;

use super::docker::{Docker, quietly};

/// How long anything that must happen may take. A limit, not a time that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// 32 bytes that are no secret.
const KEY: &str = "Y29tcG9zZS10ZXN0LWNvbXBvc2UtdGVzdC1jb21wb3M=";

/// Asks Envoy's admin interface from within its container, as the file's own health check does.
const ASK_ADMIN: &str = r#"exec 3<>/dev/tcp/127.0.0.1/9901
    printf 'GET %s HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n' "$1" >&3
    while IFS= read -r line <&3; do printf '%s\n' "${line%$'\r'}"; done"#;

/// A Compose file under a project name and on a port that nobody else uses.
pub struct Project<'a> {
    docker: &'a Docker,
    file: &'static str,
    name: String,
    port: u16,
}

impl<'a> Project<'a> {
    /// Nothing runs yet.
    pub fn new(docker: &'a Docker, file: &'static str) -> Result<Self> {
        let kind = file.trim_start_matches("docker-compose").replace('.', "-");
        let name = format!("session-affinity-test-{}{kind}", std::process::id());
        // Free now, and the system will not give it to the next that asks.
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        Ok(Self { docker, file, name, port })
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        self.file
    }

    /// The project's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Envoy, from outside.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What the file names.
    pub async fn images(&self) -> Result<Vec<String>> {
        let listed = self.compose(&["config", "--images"]).await?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    /// `docker compose up --detach --wait`, and what else is wanted.
    pub async fn up(&self, arguments: &[&str]) -> Result<()> {
        let shown = [&["docker compose up --detach --wait"], arguments].concat().join(" ");
        let progress = Progress::start(shown);
        self.compose(&[&["up", "--detach", "--wait"], arguments].concat()).await?;
        progress.finish("done");
        Ok(())
    }

    /// Any command that is worth a line of its own: `docker compose stop neg-demo-1`.
    pub async fn shown(&self, arguments: &[&str]) -> Result<()> {
        let progress = Progress::start(format!("docker compose {}", arguments.join(" ")));
        self.compose(arguments).await?;
        progress.finish("done");
        Ok(())
    }

    /// `docker compose` for this project, quietly.
    pub async fn compose(&self, arguments: &[&str]) -> Result<String> {
        quietly(self.command(arguments)).await
    }

    /// Takes down what is there, if anything is.
    pub async fn down(&self) -> Result<()> {
        self.compose(&["down", "--volumes", "--remove-orphans", "--timeout", "5"]).await.map(drop)
    }

    /// What `docker inspect` says of each of a service's containers, sorted.
    pub async fn inspect(&self, service: &str, format: &str) -> Result<Vec<String>> {
        let ids = self.compose(&["ps", "--quiet", service]).await?;
        let mut found = Vec::new();
        for id in ids.lines() {
            found.push(self.docker.run(&["inspect", "--format", format, id]).await?);
        }
        found.sort();
        Ok(found)
    }

    /// Waits until Envoy's cluster has exactly the addresses that the service's containers have.
    pub async fn wait_for_addresses(&self, cluster: &str, service: &str) -> Result<()> {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let real = self.inspect(service, format).await?;
        eventually(&format!("Envoy knows the addresses {real:?} of {cluster}"), async || {
            Ok(self.known_addresses(cluster).await? == real)
        })
        .await
    }

    /// The addresses that Envoy's cluster has.
    async fn known_addresses(&self, cluster: &str) -> Result<Vec<String>> {
        let page = self.admin("/clusters").await?;
        // "neg-demo-0::172.18.0.2:9376::health_flags::healthy"
        let hosts = page.lines().filter_map(|line| line.strip_prefix(cluster)?.strip_prefix("::"));
        let hosts = hosts.filter_map(|line| line.split_once("::health_flags::")).map(|(host, _)| host);
        let addresses = hosts.filter_map(|host| host.rsplit_once(':')).map(|(address, _)| address.to_owned());
        let mut addresses: Vec<String> = addresses.collect();
        addresses.sort();
        Ok(addresses)
    }

    /// How often the service's outcome was counted.
    pub async fn outcome(&self, outcome: &str) -> Result<u64> {
        let name = format!("session_affinity.service.default.outcome.{outcome}");
        let page = self.admin(&format!("/stats?filter={name}")).await?;
        let count = page.lines().find_map(|line| line.split_once(&format!("{name}: ")));
        Ok(count.with_context(|| format!("no counter {name} in:\n{page}"))?.1.parse()?)
    }

    /// Envoy's log, and what the pods said.
    pub async fn log(&self) -> String {
        let log = self.compose(&["logs", "--no-color", "--no-log-prefix"]).await;
        let log = log.unwrap_or_else(|error| error.to_string());
        // Without the lists of all extensions that Envoy opens with.
        let lines = log.lines().filter(|line| !line.contains("[source/server/server.cc:"));
        lines.flat_map(|line| [line, "\n"]).collect()
    }

    async fn admin(&self, path: &str) -> Result<String> {
        self.compose(&["exec", "-T", "envoy", "bash", "-c", ASK_ADMIN, "bash", path]).await
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.docker.command();
        command.args(["compose", "--file", self.file, "--project-name", &self.name]).args(arguments);
        command.env("ENVOY_PORT", self.port.to_string()).env("SESSION_AFFINITY_KEY", KEY);
        // What the user's own projects are told is not for this one.
        for name in ["COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"] {
            command.env_remove(name);
        }
        command
    }
}

/// Waits until something holds; errors on the way are no reason to give up.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = holds().await;
        if matches!(found, Ok(true)) {
            return Ok(());
        }
        if Instant::now() > deadline {
            match found {
                Err(error) => return Err(error.context(format!("not within {PATIENCE:?}: {what}"))),
                Ok(_) => bail!("not within {PATIENCE:?}: {what}"),
            }
        }
        tokio::time::sleep(POLL).await;
    }
}
