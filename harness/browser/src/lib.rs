//! A real browser: headless Chromium, driven over WebDriver.
//!
//! A crate of its own, since `thirtyfour` has `String + …` mean more than one thing wherever it is used.

#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "tests may panic")]

mod certificate;

use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{ChromiumLikeCapabilities as _, DesiredCapabilities};

pub use certificate::Certificate;
pub use thirtyfour::{By, WebDriver};

use harness::envoy_binary::on_path;

/// The packages that bring the browser and its driver, as Debian calls them.
pub const PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];

/// How Chromium is started: without a window, a GPU, or any connection of its own. (As root it has no sandbox; it
/// visits nothing but the pages of this repository.)
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // Names for several sites; everything else is not there.
    "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// How long the browser may take for anything. A limit, not a time that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often chromedriver is started before there is no free port for it.
const STARTS: usize = 10;

/// A browser with an empty profile, in which `anything.test` is 127.0.0.1. It ends when this is dropped.
#[derive(Debug)]
pub struct Browser {
    driver: WebDriver,
    chromedriver: Chromedriver,
    _profile: TempDir,
}

impl Browser {
    /// Starts it, with further arguments for Chromium.
    ///
    /// # Errors
    /// Where there is no Chromium or no driver for it; the message says what to install.
    pub async fn start(arguments: &[String]) -> Result<Self> {
        let (chromium, chromedriver) = locate()?;
        let profile = tempfile::Builder::new().prefix("chromium-").tempdir()?;
        let mut capabilities = DesiredCapabilities::chrome();
        capabilities.set_binary(&chromium.display().to_string())?;
        for argument in ARGUMENTS {
            capabilities.add_arg(argument)?;
        }
        capabilities.add_arg(&format!("--user-data-dir={}", profile.path().display()))?;
        for argument in arguments {
            capabilities.add_arg(argument)?;
        }
        let chromedriver = Chromedriver::start(&chromedriver)?;
        let driver = WebDriver::builder(chromedriver.url(), capabilities).request_timeout(PATIENCE);
        let driver = driver.connect().await.context("starting Chromium")?;
        Ok(Self { driver, chromedriver, _profile: profile })
    }

    /// The browser's WebDriver.
    #[must_use]
    pub fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// All cookies that the browser has stored, as DevTools shows them (`Network.Cookie`).
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub async fn cookies(&self) -> Result<Vec<Value>> {
        let answer = self.driver.cdp().send_raw("Storage.getCookies", json!({})).await?;
        Ok(answer["cookies"].as_array().context("DevTools lists no cookies")?.clone())
    }

    /// What the element of the page says.
    ///
    /// # Errors
    /// Where there is no such element.
    pub async fn text(&self, selector: &str) -> Result<String> {
        Ok(self.driver.find(By::Css(selector)).await?.text().await?)
    }

    /// What the element of the page says, as soon as it says what is wanted.
    ///
    /// # Errors
    /// If it does not within a minute. The error has what it says instead.
    pub async fn shown(&self, selector: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Fails while there is no such element, or if the page has just been drawn anew.
            let text = self.text(selector).await;
            match text {
                Ok(text) if wanted(&text) => return Ok(text),
                text => ensure!(Instant::now() < deadline, "{selector}: still {text:?} after {PATIENCE:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Clicks the element of the page.
    ///
    /// # Errors
    /// Where there is no such element, or nothing to click.
    pub async fn click(&self, selector: &str) -> Result<()> {
        Ok(self.driver.find(By::Css(selector)).await?.click().await?)
    }
}

impl Drop for Browser {
    /// Ends the browser by a request of its own: `WebDriver` would wait for a runtime that this may hold up.
    fn drop(&mut self) {
        let _ = self.driver.clone().leak();
        let session = format!("{}/session/{}", self.chromedriver.url(), self.driver.session_id());
        let ended = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
                http.delete(session).send().await?.error_for_status()?;
                Ok::<_, anyhow::Error>(())
            })
        });
        match ended.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("the browser may still run: {error:#}"),
            Err(_) => eprintln!("the browser may still run"),
        }
    }
}

/// The driver's process; killed when this is dropped.
#[derive(Debug)]
struct Chromedriver {
    child: Child,
    port: u16,
}

impl Chromedriver {
    /// Starts it at a port that the system chooses. It takes that port for IPv6 first, and ends where the same port is
    /// in use for IPv4: then it is started anew.
    fn start(program: &Path) -> Result<Self> {
        let mut said = String::new();
        for _ in 0..STARTS {
            let mut command = Command::new(program);
            command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut child = command.spawn().context("starting chromedriver")?;
            let output = child.stdout.take().context("chromedriver has no output")?;
            said.clear();
            let mut lines = BufReader::new(output).lines();
            while let Some(line) = lines.next().transpose()? {
                // "ChromeDriver was started successfully on port 43215."
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    let port = port.trim_end_matches('.').parse()?;
                    // It may go on talking: not into a pipe that is full, nor into one that is closed.
                    std::thread::spawn(move || lines.for_each(drop));
                    return Ok(Self { child, port });
                }
                said.push_str(&line);
                said.push('\n');
            }
            let status = child.wait()?;
            ensure!(said.contains("port not available"), "chromedriver ended ({status}):\n{said}");
        }
        bail!("chromedriver found no free port in {STARTS} starts:\n{said}")
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        // Both fail only where it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Chromium and its driver: the environment variables `CHROMIUM` and `CHROMEDRIVER`, or what is on the `PATH`.
///
/// # Errors
/// Where one of them is missing; the message says what to install.
pub fn locate() -> Result<(PathBuf, PathBuf)> {
    let find = |variable: &str, names: &[&str]| {
        let told = env::var_os(variable).map(PathBuf::from);
        told.or_else(|| names.iter().find_map(|name| on_path(name)))
    };
    let chromium = find("CHROMIUM", &["chromium", "chromium-browser", "google-chrome", "chrome"]);
    let chromedriver = find("CHROMEDRIVER", &["chromedriver"]);
    let (Some(chromium), Some(chromedriver)) = (chromium, chromedriver) else {
        bail!(
            "no Chromium with its driver here. Install both (Debian: apt-get install {}), or set CHROMIUM and \
             CHROMEDRIVER to the programs",
            PACKAGES.join(" ")
        );
    };
    Ok((chromium, chromedriver))
}
