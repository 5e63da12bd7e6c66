//! Django's own admin site, with sessions in the cache of each process and users in a shared database.

use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

use crate::browsing::{Visitor, between, expect};
use crate::instance::Instances;
use crate::python::Python;
use crate::server_sessions::{ANONYMOUS_PAGES, Application, Deletes};

/// The login page.
const LOG_IN: &str = "/admin/login/?next=/admin/";

/// Starts the instances. Returns them and the directory of their shared database.
async fn start() -> (Application, TempDir) {
    let python = Python::of("django");
    let shared = tempfile::tempdir().unwrap();
    let django = || {
        let mut command = python.command();
        command
            .env("DJANGO_SETTINGS_MODULE", "settings")
            .env("DATABASE", shared.path().join("users.sqlite3"));
        command
    };
    for arguments in [&["migrate", "--verbosity=0"][..], &["createsuperuser", "--no-input"]] {
        let mut admin = django();
        admin.args(["-m", "django"]).args(arguments);
        admin.envs([("DJANGO_SUPERUSER_USERNAME", "admin"), ("DJANGO_SUPERUSER_PASSWORD", "secret")]);
        let output = admin.env("DJANGO_SUPERUSER_EMAIL", "admin@example.com").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let command = |_: &Path| {
        let mut command = django();
        command.args(["-m", "waitress", "--listen=127.0.0.1:0", "wsgi:application"]);
        command
    };
    let instances = Instances::start(command, "Serving on http://127.0.0.1:").await;
    (Application { recipe: "Django", cookie: "sessionid", deletes: Deletes::AtLogOut, instances }, shared)
}

/// The hidden field against forged requests, which every Django form has.
fn token(page: &str) -> Result<&str> {
    between(page, "name=\"csrfmiddlewaretoken\" value=\"", "\"")
}

async fn log_in(visitor: &Visitor) -> Result<()> {
    let page = visitor.open(LOG_IN).await?;
    let form = format!("csrfmiddlewaretoken={}&username=admin&password=secret", token(&page)?);
    expect(&visitor.submit(LOG_IN, &form).await?, "Welcome,")
}

async fn visit(visitor: &Visitor) -> Result<()> {
    // One more page is part of the login.
    for _ in 1..ANONYMOUS_PAGES {
        expect(&visitor.open(LOG_IN).await?, "id_password")?;
    }
    log_in(visitor).await?;
    for page in ["auth/group/", "password_change/", "auth/"] {
        expect(&visitor.open(&format!("/admin/{page}")).await?, "Welcome,")?;
    }
    let page = visitor.open("/admin/").await?;
    let form = format!("csrfmiddlewaretoken={}", token(&page)?);
    expect(&visitor.submit("/admin/logout/", &form).await?, "Logged out")?;
    expect(&visitor.open("/admin/").await?, "id_password")
}

#[tokio::test]
async fn nobody_loses_a_django_session_before_its_instance_ends_and_without_the_filter_nearly_all_do() {
    let (application, _users) = start().await;
    application.test(visit).await;
    application.test_the_end_of_an_instance(log_in, "/admin/", "Welcome,", "id_password").await;
}
