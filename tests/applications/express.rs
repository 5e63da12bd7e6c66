//! Express with `express-session`. Its cookie `connect.sid` is signed.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use harness::{node_package, workspace_root};

use crate::browsing::{Visitor, expect};
use crate::instance::Instances;
use crate::server_sessions::{ANONYMOUS_PAGES, Application, Deletes};

async fn start() -> Application {
    let program = workspace_root().join("tests/applications/express");
    let installed = node_package::install(&program, Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let command = |_: &Path| {
        let mut command = Command::new("node");
        command.arg("app.js").current_dir(&installed).env("PORT", "0");
        command
    };
    let instances = Instances::start(command, "listening on ").await;
    Application { recipe: "Express", cookie: "connect.sid", deletes: Deletes::AtLogOut, instances }
}

async fn log_in(visitor: &Visitor) -> Result<()> {
    let form = format!("user={}&pass=any", visitor.name);
    expect(&visitor.submit("/login", &form).await?, &format!("hello, {}!", visitor.name))
}

async fn visit(visitor: &Visitor) -> Result<()> {
    for _ in 0..ANONYMOUS_PAGES {
        expect(&visitor.open("/").await?, "<form action=\"/login\"")?;
    }
    log_in(visitor).await?;
    for count in 1..=6 {
        expect(&visitor.open("/foo").await?, &format!("you viewed this page {count} times"))?;
    }
    expect(&visitor.open("/").await?, &format!("hello, {}!", visitor.name))?;
    expect(&visitor.open("/logout").await?, "<form action=\"/login\"")
}

#[tokio::test]
async fn nobody_loses_an_express_session_before_its_instance_ends_and_without_the_filter_nearly_all_do() {
    let application = start().await;
    application.test(visit).await;
    application.test_the_end_of_an_instance(log_in, "/", "hello, visitor-", "<form action=\"/login\"").await;
}
