//! Applications that set a cookie with the filter's cookie name.

use harness::client::Client;
use harness::envoy::Envoy;
use serde_json::json;

use super::{obedient_pods, route, warnings};
use crate::ecds::eventually;
use crate::endpoints::fleet::keys;
use crate::support::{bootstrap, fetch_each};

#[tokio::test]
async fn an_application_that_keeps_setting_a_cookie_of_our_name_is_warned_of_once_for_each_service() {
    let pods = obedient_pods();
    let service = |name: &str, cookie: &str| {
        json!({
            "name": name,
            "routes": [name],
            "sessionAffinity": { "affinityType": "GENERATED_COOKIE", "cookie": { "name": cookie } },
            "backends": ["app-0", "app-1"],
        })
    };
    let services = [("shop", "SHOPSID"), ("blog", "BLOGSID"), ("wiki", "WIKISID")];
    let plugin = json!({ "keys": keys(), "services": services.map(|(name, cookie)| service(name, cookie)) });
    let config = services.iter().fold(bootstrap(&pods).filter(&plugin), |config, (name, _)| {
        config.route(route(name, &format!("/{name}")))
    });
    let envoy = Envoy::start(&config.build()).await.unwrap();
    for (name, cookie) in services {
        // The wiki has its own cookie.
        let set = if name == "wiki" { "WIKI".to_owned() } else { cookie.to_owned() };
        let line = format!("set-cookie: {set}=mine; Path=/");
        let requests = vec![vec![("x-answer-header", line.into_bytes())]; 60];
        for reply in fetch_each(Client::http1, &format!("{}/{name}", envoy.url()), requests).await {
            assert_eq!(
                reply.cookie_pair(&set).unwrap(),
                format!("{set}=mine"),
                "the application's word stands"
            );
            assert_eq!(reply.set_cookies.len(), if name == "wiki" { 2 } else { 1 });
        }
    }
    eventually("both are warned of", async || {
        ["shop", "blog"]
            .iter()
            .zip(["SHOPSID", "BLOGSID"])
            .all(|(name, cookie)| !warnings(&envoy, &[name, cookie]).is_empty())
    })
    .await;
    let said: Vec<_> = services.iter().flat_map(|(name, cookie)| warnings(&envoy, &[name, cookie])).collect();
    assert_eq!(said.len(), 2, "{said:#?}");
}
