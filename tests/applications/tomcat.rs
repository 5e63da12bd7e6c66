//! Tomcat with its own examples, both from Debian packages. The cookie is `JSESSIONID`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use harness::packages;

use crate::browsing::{Visitor, between, expect};
use crate::instance::Instances;
use crate::server_sessions::{ANONYMOUS_PAGES, Application, Deletes};

/// A page that requires a login.
const PROTECTED: &str = "/examples/jsp/security/protected/index.jsp";

const HOME: &str = "/usr/share/tomcat10";

async fn start() -> Application {
    packages::need("java", &["default-jre-headless"]).unwrap();
    let skeleton = Path::new(HOME).join("skel");
    packages::need_file(&skeleton, &["tomcat10-user"]).unwrap();
    let examples = Path::new("/etc/tomcat10/Catalina/localhost/examples.xml");
    packages::need_file(examples, &["tomcat10-examples"]).unwrap();
    let command = |base: &Path| {
        // The steps of `tomcat10-instance-create`.
        let conf = base.join("conf");
        for directory in ["conf/Catalina/localhost", "logs", "webapps", "work", "temp"] {
            fs::create_dir_all(base.join(directory)).unwrap();
        }
        for file in fs::read_dir(skeleton.join("conf")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), conf.join(file.file_name())).unwrap();
        }
        fs::copy(examples, conf.join("Catalina/localhost/examples.xml")).unwrap();
        let server = fs::read_to_string(conf.join("server.xml")).unwrap();
        let (default, any) = ("port=\"8080\"", "port=\"0\" address=\"127.0.0.1\"");
        assert!(server.contains(default), "{server}");
        fs::write(conf.join("server.xml"), server.replace(default, any)).unwrap();
        // The user in the comments of Debian's file.
        let users = "<tomcat-users><user username='tomcat' password='s3cret' roles='tomcat'/></tomcat-users>";
        fs::write(conf.join("tomcat-users.xml"), users).unwrap();

        let mut command = Command::new(Path::new(HOME).join("bin/catalina.sh"));
        command.arg("run").env("CATALINA_BASE", base);
        command.env("CATALINA_OPTS", "-Xmx192m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC");
        command
    };
    let instances = Instances::start(command, "Starting ProtocolHandler [\"http-nio-127.0.0.1-auto-1-").await;
    Application { recipe: "Tomcat", cookie: "JSESSIONID", deletes: Deletes::Never, instances }
}

/// Returns the page after the login.
async fn log_in(visitor: &Visitor) -> Result<String> {
    expect(&visitor.open(PROTECTED).await?, "j_password")?;
    let form = "j_username=tomcat&j_password=s3cret";
    let page = visitor.submit("/examples/jsp/security/protected/j_security_check", form).await?;
    expect(&page, "You are logged in as remote user")?;
    Ok(page)
}

async fn visit(visitor: &Visitor) -> Result<()> {
    for _ in 0..ANONYMOUS_PAGES {
        expect(&visitor.open("/examples/index.html").await?, "Apache Tomcat Examples")?;
    }
    let page = log_in(visitor).await?;
    // Tomcat gives the session a new id when the visitor logs in.
    let id = between(&page, "in session <b>", "</b>")?;
    for count in 0..6 {
        let data = format!("dataname=item-{count}&datavalue={}-{count}", visitor.name);
        let page = visitor.submit("/examples/servlets/servlet/SessionExample", &data).await?;
        expect(&page, &format!("Session ID: {id}"))?;
        for earlier in 0..=count {
            expect(&page, &format!("item-{earlier} = {}-{earlier}", visitor.name))?;
        }
    }
    expect(&visitor.open(PROTECTED).await?, &format!("in session <b>{id}</b>"))?;
    expect(&visitor.open(&format!("{PROTECTED}?logoff=true")).await?, "j_password")
}

#[tokio::test]
async fn nobody_loses_a_tomcat_session_before_its_instance_ends_and_without_the_filter_nearly_all_do() {
    let application = start().await;
    application.test(visit).await;
    let log_in = async |visitor: &Visitor| log_in(visitor).await.map(drop);
    application.test_the_end_of_an_instance(log_in, PROTECTED, "You are logged in as", "j_password").await;
}
