//! Express with `express-session`, whose cookie `connect.sid` is signed.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use futures_util::future::join_all;
use harness::{node_package, workspace_root};

use crate::browsing::{Visitor, expect};
use crate::instance::Instance;
use crate::server_sessions::{ANONYMOUS_PAGES, Application, Deletes};

async fn start() -> Application {
    let program = workspace_root().join("tests/applications/express");
    let installed = node_package::install(&program, Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let instances = (0..3).map(|_| {
        let mut command = Command::new("node");
        command.arg("app.js").current_dir(&installed).env("PORT", "0");
        Instance::start(command, tempfile::tempdir().unwrap(), "listening on ")
    });
    let instances = join_all(instances).await;
    Application { cookie: "connect.sid", deletes: Deletes::AtLogOut, instances }
}

async fn visit(visitor: &Visitor) -> Result<()> {
    for _ in 0..ANONYMOUS_PAGES {
        expect(&visitor.open("/").await?, "<form action=\"/login\"")?;
    }
    let form = format!("user={}&pass=any", visitor.name);
    let hello = format!("hello, {}!", visitor.name);
    expect(&visitor.submit("/login", &form).await?, &hello)?;
    for count in 1..=6 {
        expect(&visitor.open("/foo").await?, &format!("you viewed this page {count} times"))?;
    }
    expect(&visitor.open("/").await?, &hello)?;
    expect(&visitor.open("/logout").await?, "<form action=\"/login\"")
}

#[tokio::test]
async fn nobody_loses_an_express_session_and_without_the_filter_nearly_all_do() {
    start().await.test(visit).await;
}
