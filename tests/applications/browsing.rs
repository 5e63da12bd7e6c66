//! A person with a browser.

use anyhow::{Result, ensure};
use harness::client::{Client, Reply};
use http::Method;

/// Limits how many redirects a browser follows.
const REDIRECTS: usize = 5;

/// A browser with its own cookie jar, and the person who uses it.
pub struct Visitor {
    /// The person's name, which is unique.
    pub name: String,
    browser: Client,
    url: String,
    set_cookies: std::cell::RefCell<Vec<String>>,
}

impl Visitor {
    /// A person who visits the site at `url`, which ends without a slash.
    pub fn new(name: String, url: String) -> Self {
        Self { name, browser: Client::jar(), url, set_cookies: <_>::default() }
    }

    /// Opens a page and follows redirects. Returns the text of the page.
    pub async fn open(&self, path: &str) -> Result<String> {
        self.load(Method::GET, path, None).await
    }

    /// Submits a form and follows redirects. Returns the text of the page.
    pub async fn submit(&self, path: &str, form: &str) -> Result<String> {
        self.load(Method::POST, path, Some(form)).await
    }

    /// Every `Set-Cookie` line that the browser received.
    pub fn set_cookies(&self) -> Vec<String> {
        self.set_cookies.borrow().clone()
    }

    async fn load(&self, method: Method, path: &str, form: Option<&str>) -> Result<String> {
        let mut request = self.browser.request(method, &format!("{}{path}", self.url));
        if let Some(form) = form {
            request =
                request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
        }
        let mut path = path.to_owned();
        for _ in 0..REDIRECTS {
            let reply = Reply::to(request).await?;
            self.set_cookies.borrow_mut().extend(reply.set_cookies.iter().cloned());
            if !reply.status.is_redirection() {
                ensure!(reply.status == 200, "{path} is answered {}: {}", reply.status, reply.pod);
                return Ok(reply.pod);
            }
            let location = reply.header("location").unwrap_or_default();
            path = match location.strip_prefix(&self.url) {
                Some(rest) => rest.to_owned(),
                None if location.starts_with('/') => location,
                None => format!("{}/{location}", path.rsplit_once('/').unwrap_or_default().0),
            };
            request = self.browser.get(&format!("{}{path}", self.url));
        }
        anyhow::bail!("{path} redirects more than {REDIRECTS} times")
    }
}

/// Fails unless the page has this text.
pub fn expect(page: &str, text: &str) -> Result<()> {
    ensure!(page.contains(text), "the page does not say {text:?}: {page}");
    Ok(())
}

/// The text between two texts on the page.
pub fn between<'a>(page: &'a str, before: &str, after: &str) -> Result<&'a str> {
    let rest = page.split_once(before).map(|(_, rest)| rest);
    let found = rest.and_then(|rest| rest.split_once(after)).map(|(found, _)| found);
    ensure!(found.is_some(), "the page has nothing between {before:?} and {after:?}: {page}");
    Ok(found.unwrap_or_default())
}
