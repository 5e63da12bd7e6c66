//! `cargo xtask screenshot`: the demo page as it is shown in the README.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use harness::envoy_binary;
use harness::pod::Pod;
use harness_browser::{Browser, By, PACKAGES};

use crate::demo::Demonstration;
use crate::{build, packages};

/// How long the page may take for anything. A limit, not a time that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to show, and where to put it.
#[derive(clap::Args)]
pub struct Screenshot {
    /// The PNG file to write
    #[arg(long, default_value = "docs/demo.png")]
    output: PathBuf,
    /// The width of the window
    #[arg(long, default_value_t = 1000)]
    width: u32,
    /// The height of the window
    #[arg(long, default_value_t = 900)]
    height: u32,
    /// In dark colours
    #[arg(long)]
    dark: bool,
}

impl Screenshot {
    /// Uses the page as a visitor does, until there is something to see, and takes its picture.
    pub fn run(&self) -> Result<()> {
        let module = build::run()?;
        let binary = envoy_binary::locate()?;
        see_to_browser()?;
        let png = tokio::runtime::Runtime::new()?.block_on(async {
            let pods = (0..3).map(|i| Pod::start(&format!("neg-demo-{i}"))).collect::<Result<Vec<_>>>()?;
            let envoy = Demonstration::new(&pods, module, binary).as_shipped(0).await?;
            let mut arguments = vec![
                format!("--window-size={},{}", self.width, self.height),
                "--force-device-scale-factor=2".to_owned(),
                "--hide-scrollbars".to_owned(),
            ];
            if self.dark {
                arguments.push("--blink-settings=preferredColorScheme=0".to_owned());
            }
            let browser = Browser::start(&arguments).await?;
            browser.driver().goto(envoy.url()).await?;
            tokio::time::timeout(2 * PATIENCE, visit(&browser))
                .await
                .context("the visit takes too long")??;
            Ok::<_, anyhow::Error>(browser.driver().screenshot_as_png().await?)
        })?;
        let file = harness::workspace_root().join(&self.output);
        fs::create_dir_all(file.parent().context("a file in a directory")?)?;
        fs::write(&file, png).with_context(|| format!("writing {}", file.display()))?;
        println!("{}", self.output.display());
        Ok(())
    }
}

/// A browser and its driver, installed where that is allowed.
pub fn see_to_browser() -> Result<()> {
    if harness_browser::locate().is_err() && packages::can_install() {
        packages::install(&PACKAGES)?;
    }
    harness_browser::locate().map(drop)
}

/// Stays for some requests, drops the cookie until a session begins on another pod, and talks to the WebSocket.
async fn visit(browser: &Browser) -> Result<()> {
    let first = shown(browser, "#pod", |text| text != "…").await?;
    requests(browser, 8).await?;
    let mut pod = first.clone();
    while pod == first {
        let dropped = browser.driver().find_all(By::Css("#requests li")).await?.len();
        browser.click("#drop").await?;
        requests(browser, dropped + 1).await?;
        pod = browser.text("#pod").await?;
    }
    browser.click("#reconnect").await?;
    shown(browser, "#socket-pod", |text| text == pod).await?;
    browser.driver().find(By::Css("#message")).await?.send_keys("Are you still there?").await?;
    browser.click("#send").await?;
    shown(browser, "#log", |text| text.contains(": Are you")).await?;
    let seen = browser.driver().find_all(By::Css("#requests li")).await?.len();
    requests(browser, seen + 12).await?;
    // The pointer and the focus are not part of the picture.
    browser.driver().execute("document.activeElement.blur()", vec![]).await?;
    browser.driver().action_chain().move_to(0, 0).perform().await?;
    Ok(())
}

async fn requests(browser: &Browser, count: usize) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while browser.driver().find_all(By::Css("#requests li")).await?.len() < count {
        if Instant::now() > deadline {
            bail!("the page made no {count} requests in {PATIENCE:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn shown(browser: &Browser, selector: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = browser.text(selector).await?;
        if wanted(&text) {
            return Ok(text);
        }
        if Instant::now() > deadline {
            bail!("{selector} still says {text:?} after {PATIENCE:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
