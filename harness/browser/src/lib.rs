//! A real browser: headless Chromium, driven over WebDriver.
//!
//! This is a separate crate, because with `thirtyfour` as a dependency, `String + …` becomes ambiguous.

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

/// The Debian packages of the browser and its driver.
pub const PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];

/// The arguments of Chromium: without a window, a GPU, or connections in the background. As root, Chromium runs without
/// a sandbox, but it only visits pages of this repository.
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // Host names for several sites. Other names do not resolve.
    "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// Maximum time for any action of the browser.
const PATIENCE: Duration = Duration::from_secs(60);

/// Maximum attempts to start chromedriver on a free port.
const STARTS: usize = 10;

/// A browser with an empty profile, in which `anything.test` resolves to 127.0.0.1. Dropping it ends the browser.
#[derive(Debug)]
pub struct Browser {
    driver: WebDriver,
    chromedriver: Chromedriver,
    _profile: TempDir,
}

impl Browser {
    /// Starts the browser, with further arguments for Chromium.
    ///
    /// # Errors
    /// If Chromium or its driver is missing. The message tells what to install.
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
    /// If the browser does not answer.
    pub async fn cookies(&self) -> Result<Vec<Value>> {
        let answer = self.driver.cdp().send_raw("Storage.getCookies", json!({})).await?;
        Ok(answer["cookies"].as_array().context("DevTools lists no cookies")?.clone())
    }

    /// The text of an element of the page.
    ///
    /// # Errors
    /// If there is no such element.
    pub async fn text(&self, selector: &str) -> Result<String> {
        Ok(self.driver.find(By::Css(selector)).await?.text().await?)
    }

    /// Waits until the text of an element is as wanted. Returns the text.
    ///
    /// # Errors
    /// If the text is another for a minute. The error has the text.
    pub async fn shown(&self, selector: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Fails while there is no such element, or if the page has just replaced it.
            let text = self.text(selector).await;
            match text {
                Ok(text) if wanted(&text) => return Ok(text),
                text => ensure!(Instant::now() < deadline, "{selector}: still {text:?} after {PATIENCE:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Clicks an element of the page.
    ///
    /// # Errors
    /// If there is no such element, or if it cannot be clicked.
    pub async fn click(&self, selector: &str) -> Result<()> {
        Ok(self.driver.find(By::Css(selector)).await?.click().await?)
    }
}

impl Drop for Browser {
    /// Ends the browser with a separate request, because `WebDriver` could wait for a runtime that this function
    /// blocks.
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

/// The process of the driver. Dropping it kills the process.
#[derive(Debug)]
struct Chromedriver {
    child: Child,
    port: u16,
}

impl Chromedriver {
    /// Starts the driver at a port that the system chooses. The driver takes the port for IPv6 first, and ends if the
    /// same port is in use for IPv4. It is then started again.
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
                    // The driver may print more, so its output is read until the end.
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
        // Both fail only if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Chromium and its driver: the environment variables `CHROMIUM` and `CHROMEDRIVER`, or what is on the `PATH`.
///
/// # Errors
/// If one of them is missing. The message tells what to install.
pub fn locate() -> Result<(PathBuf, PathBuf)> {
    let find = |variable: &str, names: &[&str]| {
        let told = env::var_os(variable).map(PathBuf::from);
        told.or_else(|| names.iter().find_map(|name| on_path(name)))
    };
    let chromium = find("CHROMIUM", &["chromium", "chromium-browser", "google-chrome", "chrome"]);
    let chromedriver = find("CHROMEDRIVER", &["chromedriver"]);
    let (Some(chromium), Some(chromedriver)) = (chromium, chromedriver) else {
        bail!(
            "Chromium or its driver is missing. Install both (Debian: apt-get install {}), or set CHROMIUM and \
             CHROMEDRIVER to the programs",
            PACKAGES.join(" ")
        );
    };
    Ok((chromium, chromedriver))
}
