//! `cargo xtask demo`: shows session affinity on a real Envoy in front of three pods.

mod config;
mod walk;

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use anyhow::{Context as _, Result, bail};
use console::style;
use harness::envoy::Envoy;
use harness::envoy_binary;
use harness::pod::Pod;

use self::config::Demonstration;
use crate::build;
use crate::screen::Screen;

/// The arguments of `cargo xtask demo`.
#[derive(clap::Args)]
pub struct Demo {
    /// Stop after the walk
    #[arg(long)]
    once: bool,
    /// The port on 127.0.0.1
    #[arg(long, default_value_t = 10000)]
    port: u16,
}

impl Demo {
    /// Runs the walk, and fails if a step fails. Then serves until Ctrl-C.
    pub fn run(&self) -> Result<()> {
        check_port(self.port)?;
        let module = build::run()?;
        let binary = envoy_binary::locate()?;
        let version = envoy_binary::version_of(&binary)?;
        tokio::runtime::Runtime::new()?.block_on(async {
            let pods = (0..3).map(|i| Pod::start(&format!("neg-demo-{i}"))).collect::<Result<Vec<_>>>()?;
            let demonstration = Demonstration::new(&pods, module, binary);
            let envoy = demonstration.as_shipped(self.port).await?;
            println!("\n{} on Envoy {version}, three pods behind it", style("session-affinity").bold());
            let screen = Screen::default();
            let walked = walk::walk(&demonstration, &envoy, &screen).await;
            walked.with_context(|| format!("the walk failed; Envoy's log:\n{}", envoy.log_excerpt()))?;
            screen.verdict()?;
            if self.once {
                return Ok(());
            }
            serve(envoy).await
        })
    }
}

async fn serve(mut envoy: Envoy) -> Result<()> {
    println!("\nStill serving, with a cookie of 50 seconds. Open this page in one or two browsers:\n");
    println!("    {}\n", style(format!("{}/", envoy.url())).bold().cyan());
    println!("Ctrl-C stops the demo.");
    tokio::signal::ctrl_c().await?;
    println!();
    // The terminal may have sent Ctrl-C to Envoy too.
    if envoy.is_running() {
        envoy.stop().await?;
    }
    Ok(())
}

/// Checks that the port is free, because Envoy would share a port with another Envoy and take half of its connections.
fn check_port(port: u16) -> Result<()> {
    match TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            bail!("port {port} is in use: stop the program that uses it, or choose another port with --port")
        }
        Err(error) => bail!("cannot listen on port {port} ({error}): choose another port with --port"),
    }
}
