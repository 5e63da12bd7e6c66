//! JupyterLab in Chromium. It starts a kernel and uploads files in requests, and talks to the kernel over a WebSocket.

use std::fs;
use std::path::Path;

use harness::envoy::Envoy;
use harness_browser::{Browser, By};

use crate::envoy::{self, Pin};
use crate::instance::{Instances, free_port};
use crate::python::Python;

/// The token with which a user logs in. It is the same at all instances, and so is the secret that signs their cookies.
const TOKEN: &str = "secret";

/// The number of people who use it, one after the other.
const PAGES: usize = 3;

async fn start() -> Instances {
    let python = Python::of("jupyter");
    let share = python.site().join("share/jupyter");
    let command = |directory: &Path| {
        let mut command = python.command();
        command.args(["-m", "jupyterlab", "--no-browser", "--allow-root"]);
        command.args(["--ServerApp.ip=127.0.0.1", &format!("--ServerApp.port={}", free_port())]);
        command.args([&format!("--IdentityProvider.token={TOKEN}"), "--ServerApp.cookie_secret=shared"]);
        let files = directory.join("files");
        fs::create_dir(&files).unwrap();
        command.arg(format!("--ServerApp.root_dir={}", files.display()));
        command.arg(format!("--LabApp.app_dir={}", share.join("lab").display()));
        command.env("JUPYTER_PATH", &share).env("HOME", directory);
        for variable in ["JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"] {
            command.env(variable, directory);
        }
        command
    };
    Instances::start(command, "http://127.0.0.1:").await
}

/// Opens JupyterLab and a console with a new kernel. Fails with the text of the page if the kernel does not start.
async fn open(browser: &Browser, envoy: &Envoy) -> Result<(), String> {
    let url = format!("{}/lab?reset&token={TOKEN}", envoy.url());
    browser.driver().goto(url).await.unwrap();
    let card = ".jp-LauncherCard[data-category=Console][title^=Python]";
    browser.shown(card, |_| true).await.unwrap();
    browser.click(card).await.unwrap();
    let is_end = |page: &str| page.contains("| Idle") || page.contains("\nError");
    let page = browser.shown("body", is_end).await.map_err(|error| format!("{error:#}"))?;
    if page.contains("\nError") { Err(page) } else { Ok(()) }
}

/// Uploads a file with the button of the file browser, and waits until the file is listed.
async fn upload(browser: &Browser, file: &Path) {
    let driver = browser.driver();
    // WebDriver can choose a file only if the page contains the input element. JupyterLab keeps that element out of the
    // page.
    let show = "HTMLInputElement.prototype.click = function () {
        this.style.position = 'fixed'
        document.body.append(this)
        this.addEventListener('change', () => this.remove())
    }";
    driver.execute(show, vec![]).await.unwrap();
    browser.click(".jp-id-upload").await.unwrap();
    let input = driver.find(By::Css("input[type=file]")).await.unwrap();
    input.send_keys(file.display().to_string()).await.unwrap();
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    // JupyterLab lists the file and opens it. This returns to the console.
    browser.shown(".jp-DirListing-content", |list| list.contains(&name)).await.unwrap();
    browser.shown("#jp-main-dock-panel .lm-TabBar-tab:nth-child(2)", |tab| tab == name).await.unwrap();
    browser.click("#jp-main-dock-panel .lm-TabBar-tab:first-child").await.unwrap();
}

/// Runs this code in the kernel, and waits for its output.
async fn run(browser: &Browser, code: &str, output: &str) {
    // Shift and Enter.
    let keys = format!("{code}\u{E008}\u{E007}\u{E008}");
    let input = browser.driver().find(By::Css(".jp-CodeConsole-input .cm-content")).await.unwrap();
    input.send_keys(keys).await.unwrap();
    browser.shown(".jp-CodeConsole-content", |console| console.contains(output)).await.unwrap();
}

#[tokio::test]
async fn every_jupyter_kernel_reads_the_file_that_its_page_uploads_and_without_the_filter_some_do_not_start()
{
    let mut instances = start().await;
    let directory = tempfile::tempdir().unwrap();
    let browser = Browser::start(&["--window-size=1200,900".to_owned()]).await.unwrap();
    let recipe = envoy::recipe("JupyterLab");
    let envoy = envoy::with_filter(Pin::Endpoint, &recipe, &instances.addresses()).await;
    for page in 0..PAGES {
        browser.driver().delete_all_cookies().await.unwrap();
        assert_eq!(open(&browser, &envoy).await, Ok(()));
        let file = directory.path().join(format!("numbers-{page}.csv"));
        fs::write(&file, "1,2,3\n".repeat(1000)).unwrap();
        upload(&browser, &file).await;
        run(&browser, &format!("len(open('numbers-{page}.csv').read())"), "6000").await;
    }
    envoy::assert_filter_is_well(&envoy).await;

    // By chance, each request reaches the instance of its kernel once in three times.
    let bare = envoy::without_filter(&instances.addresses()).await;
    let mut started = 0;
    while open(&browser, &bare).await.is_ok() {
        started += 1;
        assert!(started < 10, "without the filter {started} kernels start");
    }

    // The kernel is lost, and a new page gets a new kernel.
    let envoy = envoy::with_filter(Pin::Endpoint, &recipe, &instances.addresses()).await;
    assert_eq!(open(&browser, &envoy).await, Ok(()));
    run(&browser, "answer = 111 * 111; answer", "12321").await;
    instances.end_the_one_in_use(&envoy).await;
    let is_lost = |page: &str| page.contains("| Connecting") || page.contains("No Kernel");
    browser.shown("body", is_lost).await.unwrap();
    assert_eq!(open(&browser, &envoy).await, Ok(()));
    run(&browser, "answer", "NameError").await;
}
