//! Django's own admin site, with sessions in the cache of each process and users in a database that all share.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use futures_util::future::join_all;
use harness::{python_package, workspace_root};
use tempfile::TempDir;

use crate::browsing::{Visitor, between, expect};
use crate::instance::Instance;
use crate::server_sessions::{ANONYMOUS_PAGES, Application, Deletes};

/// Django with its WSGI server, at versions that are known to pass.
const PACKAGES: [&str; 5] =
    ["django==5.2.19", "waitress==3.0.2", "asgiref==3.8.1", "sqlparse==0.5.3", "typing-extensions==4.16.0"];

/// Starts the instances. Returns them with the directory of the database that they share.
async fn start() -> (Application, TempDir) {
    let site = python_package::site("django", &PACKAGES, Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let shared = tempfile::tempdir().unwrap();
    let python = || {
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", &site).env("PYTHONDONTWRITEBYTECODE", "1");
        command
            .env("DJANGO_SETTINGS_MODULE", "settings")
            .env("DATABASE", shared.path().join("users.sqlite3"));
        command.current_dir(workspace_root().join("tests/applications/django"));
        command
    };
    for arguments in [&["migrate", "--verbosity=0"][..], &["createsuperuser", "--no-input"]] {
        let mut admin = python();
        admin.args(["-m", "django"]).args(arguments);
        admin.envs([("DJANGO_SUPERUSER_USERNAME", "admin"), ("DJANGO_SUPERUSER_PASSWORD", "secret")]);
        let output = admin.env("DJANGO_SUPERUSER_EMAIL", "admin@example.com").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let instances = (0..3).map(|_| {
        let mut command = python();
        command.args(["-m", "waitress", "--listen=127.0.0.1:0", "wsgi:application"]);
        Instance::start(command, tempfile::tempdir().unwrap(), "Serving on http://127.0.0.1:")
    });
    let instances = join_all(instances).await;
    (Application { cookie: "sessionid", deletes: Deletes::AtLogOut, instances }, shared)
}

/// The hidden field against forged requests, which each form of Django's has.
fn token(page: &str) -> Result<&str> {
    between(page, "name=\"csrfmiddlewaretoken\" value=\"", "\"")
}

async fn visit(visitor: &Visitor) -> Result<()> {
    let mut page = String::new();
    for _ in 0..ANONYMOUS_PAGES {
        page = visitor.open("/admin/login/?next=/admin/").await?;
        expect(&page, "id_password")?;
    }
    let form = format!("csrfmiddlewaretoken={}&username=admin&password=secret", token(&page)?);
    expect(&visitor.submit("/admin/login/?next=/admin/", &form).await?, "Welcome,")?;
    for page in ["auth/group/", "password_change/", "auth/"] {
        expect(&visitor.open(&format!("/admin/{page}")).await?, "Welcome,")?;
    }
    page = visitor.open("/admin/").await?;
    let form = format!("csrfmiddlewaretoken={}", token(&page)?);
    expect(&visitor.submit("/admin/logout/", &form).await?, "Logged out")?;
    expect(&visitor.open("/admin/").await?, "id_password")
}

#[tokio::test]
async fn nobody_loses_a_django_session_and_without_the_filter_nearly_all_do() {
    let (application, _users) = start().await;
    application.test(visit).await;
}
