//! The host calls for each outcome. Each call crosses into Envoy and back, which is most of the filter's cost. Change
//! these lists only on purpose.

use std::time::Duration;

use serde_json::{Value, json};

use crate::host::{Vm, exported};
use crate::support::{counters, exchange, generated_cookie, plugin, request, response};

/// The calls of a request and of its response.
fn calls(vm: &mut Vm, root: u32, cookie: Option<&str>) -> (Vec<String>, Vec<String>) {
    vm.calls();
    let stream = request(vm, root, cookie);
    let of_request = vm.calls();
    response(vm, stream);
    let of_response = vm.calls();
    vm.delete(stream);
    assert_eq!(vm.calls(), [""; 0], "the end of a stream asks for nothing");
    (of_request, of_response)
}

const SET_CLUSTER: &str = "replace_header_map_value x-affinity-cluster";
const GET_COOKIES: &str = "get_header_map_value cookie";
const GET_ROUTE: &str = "get_property xds.route_name";

/// A service whose responses the filter does not process.
fn unwatched(mut service: Value) -> Value {
    service["outlierDetection"] = json!({ "consecutiveLocalOriginFailure": 0 });
    service
}

/// A configuration with a second service.
fn with_another(mut service: Value) -> Value {
    service["name"] = "shop".into();
    json!({ "services": [service, { "name": "blog", "routes": ["blog"], "backends": ["red"] }] })
}

#[test]
fn envoy_calls_nothing_that_the_filter_does_not_need() {
    let mut exported = exported();
    exported.sort_unstable();
    assert_eq!(
        exported,
        [
            "_initialize",
            "malloc",
            "memory",
            "proxy_abi_version_0_2_1",
            "proxy_on_configure",
            "proxy_on_context_create",
            "proxy_on_delete",
            "proxy_on_http_call_response",
            "proxy_on_request_headers",
            "proxy_on_response_headers",
            "proxy_on_tick",
        ]
    );
}

#[test]
fn a_pinned_request_asks_for_its_cookies_and_sets_its_cluster() {
    let (mut vm, root) = plugin(&unwatched(generated_cookie()));
    let (_, cookie) = exchange(&mut vm, root, None);
    let (of_request, of_response) = calls(&mut vm, root, cookie.as_deref());
    assert_eq!(of_request, [GET_COOKIES, SET_CLUSTER]);
    assert_eq!(of_response, [""; 0]);
}

#[test]
fn a_pinned_request_to_one_of_several_services_asks_for_its_route_too() {
    let (mut vm, root) = plugin(&with_another(unwatched(generated_cookie())));
    let (_, cookie) = exchange(&mut vm, root, None);
    let (of_request, of_response) = calls(&mut vm, root, cookie.as_deref());
    assert_eq!(of_request, [GET_ROUTE, GET_COOKIES, SET_CLUSTER]);
    assert_eq!(of_response, [""; 0]);
}

const DETAILS: &str = "get_property response.code_details";
const ANSWERING_BACKEND: &str =
    "get_property xds.upstream_host_metadata.filter_metadata.session_affinity.backend";

/// Ticks until a second has passed.
fn pass_a_second(vm: &mut Vm, root: u32) {
    for _ in 0..5 {
        vm.world().now += Duration::from_millis(200);
        vm.tick(root);
    }
}

#[test]
fn passive_detection_asks_one_question_about_each_response_while_traffic_is_light() {
    let (mut vm, root) = plugin(&generated_cookie());
    let (_, cookie) = exchange(&mut vm, root, None);
    for _ in 0..20 {
        pass_a_second(&mut vm, root);
        let (of_request, of_response) = calls(&mut vm, root, cookie.as_deref());
        assert_eq!(of_request, [GET_COOKIES, SET_CLUSTER]);
        assert_eq!(of_response, [DETAILS]);
    }
}

#[test]
fn passive_detection_looks_at_twenty_responses_of_a_backend_in_a_second_of_load() {
    let (mut vm, root) = plugin(&generated_cookie());
    let (_, cookie) = exchange(&mut vm, root, None);
    let mut looks = Vec::new();
    for _ in 0..5 {
        pass_a_second(&mut vm, root);
        looks.push((0..400).map(|_| calls(&mut vm, root, cookie.as_deref()).1.len()).sum::<usize>());
    }
    assert_eq!(looks, [20; 5], "of 400 responses in each second");
}

#[test]
fn every_response_is_asked_who_gave_it_where_backends_fall_over_to_each_other() {
    let mut configuration = unwatched(generated_cookie());
    configuration["failover"] = true.into();
    let (mut vm, root) = plugin(&configuration);
    let (_, cookie) = exchange(&mut vm, root, None);
    for _ in 0..400 {
        assert_eq!(calls(&mut vm, root, cookie.as_deref()).1, [ANSWERING_BACKEND]);
    }
}

#[test]
fn after_the_first_failure_that_is_seen_every_response_of_the_backend_counts() {
    let (mut vm, root) = plugin(&generated_cookie());
    let (_, cookie) = exchange(&mut vm, root, None);
    for _ in 0..400 {
        calls(&mut vm, root, cookie.as_deref());
    }
    pass_a_second(&mut vm, root);
    for _ in 0..3 {
        let stream = request(&mut vm, root, cookie.as_deref());
        let refused = b"upstream_reset_before_response_started{remote_connection_failure}";
        vm.world().properties.insert("response.code_details".to_owned(), refused.to_vec());
        vm.world().response = Vec::new();
        vm.response(stream);
        vm.delete(stream);
    }
    assert!(vm.world().log.iter().any(|(_, line)| line.contains("ejected for 30 s")), "{:?}", vm.world().log);
}

#[test]
fn active_checks_alone_look_at_no_response() {
    let mut configuration = unwatched(generated_cookie());
    configuration["healthCheck"] = json!({});
    let (mut vm, root) = plugin(&configuration);
    let (_, cookie) = exchange(&mut vm, root, None);
    let (of_request, of_response) = calls(&mut vm, root, cookie.as_deref());
    assert_eq!(of_request, [GET_COOKIES, SET_CLUSTER]);
    assert_eq!(of_response, [""; 0]);
}

#[test]
fn a_request_without_affinity_sets_its_cluster() {
    let (mut vm, root) = plugin(&unwatched(json!({ "backends": ["blue", "green"] })));
    let (of_request, of_response) = calls(&mut vm, root, None);
    assert_eq!(of_request, [SET_CLUSTER]);
    assert_eq!(of_response, [""; 0]);
}

#[test]
fn a_request_by_client_address_asks_for_it_and_sets_its_cluster() {
    let affinity = json!({ "affinityType": "CLIENT_IP" });
    let (mut vm, root) =
        plugin(&unwatched(json!({ "sessionAffinity": affinity, "backends": ["blue", "green"] })));
    let (of_request, of_response) = calls(&mut vm, root, None);
    assert_eq!(of_request, ["get_property source.address", SET_CLUSTER]);
    assert_eq!(of_response, [""; 0]);
}

#[test]
fn a_new_session_costs_what_its_cookie_takes_to_make() {
    let (mut vm, root) = plugin(&unwatched(generated_cookie()));
    // The filter draws random numbers for many sessions at once.
    exchange(&mut vm, root, None);
    let told = [
        DETAILS,
        "get_property xds.cluster_name",
        "get_header_map_pairs",
        "add_header_map_value set-cookie",
        "replace_header_map_value cache-control",
    ];
    // The scheme, the method and further Cookie lines are part of all headers, in one call.
    for cookie in [None, Some("GCLB=x"), Some("a=1")] {
        let (of_request, of_response) = calls(&mut vm, root, cookie);
        assert_eq!(of_request, [GET_COOKIES, "get_header_map_pairs", SET_CLUSTER]);
        assert_eq!(of_response, told);
    }
}

#[test]
fn the_cluster_of_the_route_is_looked_up_for_few_of_many_sessions() {
    let (mut vm, root) = plugin(&unwatched(generated_cookie()));
    let looked_up = |vm: &mut Vm| {
        let calls = (0..640).flat_map(|_| calls(vm, root, None).1);
        calls.filter(|call| call == "get_property xds.cluster_name").count()
    };
    assert_eq!(looked_up(&mut vm), 32 + 9);
    assert_eq!(looked_up(&mut vm), 10);
}

#[test]
fn a_session_that_moves_costs_no_more_than_a_new_one() {
    let (mut before, root) = plugin(&unwatched(generated_cookie()));
    let (_, cookie) = exchange(&mut before, root, None);
    let mut configuration = unwatched(generated_cookie());
    configuration["backends"] = json!(["red"]);
    let (mut vm, root) = plugin(&configuration);
    exchange(&mut vm, root, None);
    let (of_request, of_response) = calls(&mut vm, root, cookie.as_deref());
    // Another Cookie line may hold a session whose backend is available.
    assert_eq!(of_request, [GET_COOKIES, "get_header_map_pairs", SET_CLUSTER]);
    assert_eq!(
        of_response,
        [
            DETAILS,
            "get_header_map_pairs",
            "add_header_map_value set-cookie",
            "replace_header_map_value cache-control"
        ]
    );
}

#[test]
fn a_rejected_request_is_answered() {
    let (mut before, root) = plugin(&unwatched(generated_cookie()));
    let (_, cookie) = exchange(&mut before, root, None);
    let mut configuration = generated_cookie();
    configuration["backends"] = json!(["red"]);
    configuration["onUnavailable"] = "REJECT".into();
    configuration["rejectStatus"] = 599.into();
    let (mut vm, root) = plugin(&configuration);
    vm.world().request = vec![(b"cookie".to_vec(), cookie.unwrap().into_bytes())];
    let stream = vm.create(root);
    assert_eq!(vm.request(stream), 1, "it waits for the answer to be sent");
    assert_eq!(vm.world().local_response, Some(599));
    assert_eq!(vm.calls(), [GET_COOKIES, "get_header_map_pairs", "send_local_response"]);
}

#[test]
fn a_route_without_a_service_is_kept_from_naming_a_cluster() {
    let (mut vm, root) = plugin(&json!({ "routes": ["shop"], "backends": ["blue"] }));
    vm.world().request = vec![(b"x-affinity-cluster".to_vec(), b"blue".to_vec())];
    let stream = vm.create(root);
    assert_eq!(vm.request(stream), 0);
    assert_eq!(vm.calls(), [GET_ROUTE, "remove_header_map_value x-affinity-cluster"]);
    assert_eq!(vm.world().request, []);
}

#[test]
fn a_tick_hands_over_what_was_counted_and_nothing_else() {
    let (mut vm, root) = plugin(&unwatched(generated_cookie()));
    let (_, cookie) = exchange(&mut vm, root, None);
    for _ in 0..3 {
        exchange(&mut vm, root, cookie.as_deref());
    }
    exchange(&mut vm, root, Some("GCLB=x"));
    assert_eq!(counters(&mut vm), []);
    vm.calls();
    vm.tick(root);
    let clock = ["get_log_level", "get_current_time_nanoseconds"];
    let health = ["get_shared_data"];
    assert_eq!(vm.calls(), [&clock[..], &["increment_metric"; 3], &health].concat());
    let counted = |outcome: &str, count| (format!("default {outcome}"), count);
    assert_eq!(counters(&mut vm), [counted("assigned", 1), counted("pinned", 3), counted("invalid", 1)]);
    vm.tick(root);
    assert_eq!(vm.calls(), [&clock[..], &health].concat());
}

#[test]
fn nothing_is_logged_for_requests_unless_debug_is_asked_for() {
    let (mut vm, root) = plugin(&unwatched(generated_cookie()));
    vm.world().log.clear();
    exchange(&mut vm, root, None);
    assert_eq!(vm.world().log, []);
    vm.world().log_level = 1;
    vm.tick(root);
    let (cluster, _) = exchange(&mut vm, root, None);
    assert_eq!(vm.world().log, [(1, format!("service default: assigned to {cluster}"))]);
}
