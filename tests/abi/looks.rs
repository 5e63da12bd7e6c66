//! How often detection asks the host about responses.

use std::time::Duration;

use serde_json::{Value, json};

use crate::host::Vm;
use crate::support::{exchange, generated_cookie, plugin, request};

const ANSWERER: &str = "xds.upstream_host_metadata.filter_metadata.session_affinity.backend";
const REFUSED: &str = "upstream_reset_before_response_started{remote_connection_failure}";

/// A session's requests to a plugin, one after another.
struct Session {
    vm: Vm,
    root: u32,
    cookie: String,
}

impl Session {
    /// Where endpoints are named, they have the name of the session's backend.
    fn begin(configuration: &Value, named: bool) -> Self {
        let (mut vm, root) = plugin(configuration);
        let (cluster, cookie) = exchange(&mut vm, root, None);
        if named {
            vm.world().properties.insert(ANSWERER.to_owned(), cluster.into_bytes());
        }
        Self { vm, root, cookie: cookie.unwrap() }
    }

    /// One more request is answered with so many headers: how often the host is asked about the response.
    fn looks(&mut self, headers: usize, status: &str, details: &str) -> usize {
        let stream = request(&mut self.vm, self.root, Some(&self.cookie));
        self.vm.calls();
        let world = self.vm.world();
        world.properties.insert("response.code_details".to_owned(), details.into());
        world.response = vec![(b":status".to_vec(), status.into())];
        world.response.extend((1..headers).map(|index| (format!("x-{index}").into_bytes(), b"1".to_vec())));
        self.vm.response(stream);
        let calls = self.vm.calls();
        self.vm.delete(stream);
        calls.len()
    }

    fn pass(&mut self, milliseconds: u64) {
        self.vm.world().now += Duration::from_millis(milliseconds);
        self.vm.tick(self.root);
    }

    fn has_logged(&mut self, part: &str) -> bool {
        self.vm.world().log.iter().any(|(_, line)| line.contains(part))
    }
}

/// Cookies, and detection by both kinds of failure or by one.
fn detection(gateway_errors: u32) -> Value {
    let mut configuration = generated_cookie();
    configuration["outlierDetection"] = json!({ "consecutiveGatewayErrors": gateway_errors });
    configuration
}

#[test]
fn a_healthy_response_costs_one_look_at_most_whatever_it_looks_like() {
    for named in [false, true] {
        for gateway_errors in [0, 3] {
            for headers in [3, 4, 5, 20] {
                let what = format!("named: {named}, {headers} headers, {gateway_errors} gateway errors");
                let mut session = Session::begin(&detection(gateway_errors), named);
                for _ in 0..200 {
                    session.pass(200);
                    let looks = session.looks(headers, "200", "via_upstream");
                    assert!(looks <= 1, "{looks} looks; {what}");
                }
            }
        }
    }
}

/// Envoy's own replies have a status, a length and a type. They tell of the endpoint that was tried, if there was one.
#[test]
fn when_traffic_is_light_every_failure_counts() {
    for named in [false, true] {
        let mut session = Session::begin(&detection(0), named);
        for _ in 0..20 {
            session.pass(200);
            session.looks(8, "200", "via_upstream");
        }
        for failures in 1..=3 {
            assert!(!session.has_logged("ejected for 30 s"), "{failures}; named: {named}");
            session.pass(200);
            session.looks(3, "503", REFUSED);
        }
        assert!(session.has_logged("ejected for 30 s"), "named: {named}");
    }
}

/// A thousand responses a second.
#[test]
fn under_load_a_healthy_backend_costs_few_looks_and_one_that_fails_is_ejected_all_the_same() {
    for named in [false, true] {
        let mut session = Session::begin(&detection(0), named);
        let mut looks = 0;
        for index in 0..2_000 {
            if index % 200 == 0 {
                session.pass(200);
            }
            let look = session.looks(8, "200", "via_upstream");
            // It takes a tick to know that there is load.
            looks += if index < 200 { 0 } else { look };
        }
        assert!((50..=100).contains(&looks), "{looks} looks in 1.8 seconds; named: {named}");
        // What other responses of the same tick have used up is there again at the next one.
        for index in 0..400 {
            if index % 200 == 0 {
                session.pass(200);
            }
            if !session.has_logged("ejected") {
                session.looks(3, "503", REFUSED);
            }
        }
        assert!(session.has_logged("ejected for 30 s"), "named: {named}");
    }
}

#[test]
fn three_gateway_errors_in_a_row_eject_where_that_is_asked_for() {
    let mut session = Session::begin(&detection(3), false);
    for status in ["503", "502", "200", "504", "503"] {
        session.pass(200);
        session.looks(8, status, "via_upstream");
    }
    assert!(!session.has_logged("ejected"), "an answer ends a row");
    session.pass(200);
    session.looks(8, "502", "via_upstream");
    assert!(session.has_logged("ejected for 30 s"));
}

/// Most looks ask which endpoint answered; one of eight asks for the status, and from the first error on every one.
#[test]
fn where_endpoints_are_named_an_application_that_answers_with_gateway_errors_is_ejected_a_little_later() {
    let mut session = Session::begin(&detection(3), true);
    for _ in 0..10 {
        session.pass(200);
        session.looks(8, "503", "via_upstream");
    }
    assert!(session.has_logged("ejected for 30 s"));
}
