//! A host that answers what no host should, where sessions pin endpoints or ride in headers.

use std::time::Duration;

use serde_json::{Value, json};
use session_affinity::endpoint::to_header;
use session_affinity::hash::mix;

use crate::host::{HandingOver, Vm, World, imported};
use crate::support::header;

/// The service's name and route, and what carries its sessions: the header `s`, or the cookie `s`.
const SERVICES: [(&str, &str, &str); 6] = [
    ("envelope", "HEADER_ENVELOPE", "ENDPOINT"),
    ("envelope-both", "HEADER_ENVELOPE", "CLUSTER_AND_ENDPOINT"),
    ("header", "GENERATED_HEADER", "CLUSTER_AND_ENDPOINT"),
    ("cookie", "GENERATED_COOKIE", "ENDPOINT"),
    ("http-cookie", "HTTP_COOKIE", ""),
    ("header-field", "HEADER_FIELD", ""),
];

const ENDPOINT: &str = "10.1.2.3:8080";

/// Every carrier and pin that a configuration can open.
fn everything() -> Value {
    let service = |(name, kind, pin): &(&str, &str, &str)| {
        let carrier = if kind.ends_with("COOKIE") { "cookie" } else { "header" };
        let cookie = if *kind == "HTTP_COOKIE" { "made" } else { "s" };
        let carrier_name = if carrier == "cookie" { cookie } else { "s" };
        let mut affinity = json!({ "affinityType": kind, carrier: { "name": carrier_name } });
        let mut service = json!({ "name": name, "routes": [name] });
        if !pin.is_empty() {
            affinity["idleTimeoutSec"] = json!(4);
            service["pin"] = json!(pin);
            service["onUnavailable"] = json!("REJECT");
        }
        if *kind == "HTTP_COOKIE" {
            affinity["affinityCookieTtlSec"] = json!(50);
        }
        if *pin != "ENDPOINT" {
            service["backends"] = json!(["blue", "green"]);
        }
        service["sessionAffinity"] = affinity;
        service
    };
    json!({
        "services": SERVICES.iter().map(service).collect::<Vec<_>>(),
        "keys": [{ "id": "k1", "env": "KEY" }],
        "debugHeader": "x-debug",
    })
}

fn world() -> World {
    let mut world = World::new(everything().to_string());
    world.environment = vec!["KEY=IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSE=".to_owned()];
    world.log_level = 0;
    world
}

fn start(world: World) -> (Vm, u32) {
    let (mut vm, root, taken) = Vm::start(world);
    assert!(taken, "{:?}", vm.world().log);
    (vm, root)
}

/// A request on this route with this token comes in, and is answered from the endpoint.
fn arrives(vm: &mut Vm, route: &str, token: &[u8]) {
    let world = vm.world();
    world.local_response = None;
    let cookie = [b"a=1; s=", token, b"; b=2"].concat();
    let own = [(":method", "GET"), (":path", "/"), (":scheme", "https")];
    world.request = own.map(|(name, value)| (name.into(), value.into())).to_vec();
    world.request.extend([(b"cookie".to_vec(), cookie.clone()), (b"s".to_vec(), token.to_vec())]);
    world.response = vec![
        (b"cache-control".to_vec(), b"public".to_vec()),
        (b"x-affinity-endpoint".to_vec(), to_header(ENDPOINT.parse().unwrap()).into_bytes()),
    ];
    if route.starts_with("envelope") {
        world.response.push((b"s".to_vec(), b"mine".to_vec()));
    }
    for (path, value) in [
        ("xds.route_name", route.as_bytes()),
        ("request.headers.cookie", &cookie),
        ("request.headers.s", token),
        ("request.path", b"/"),
        ("request.scheme", b"https"),
        ("upstream.address", ENDPOINT.as_bytes()),
        ("response.code_details", b"via_upstream"),
        ("xds.cluster_name", b"blue"),
    ] {
        world.properties.insert(path.to_owned(), value.to_vec());
    }
}

/// A session on each route, as its client holds it.
fn tokens() -> Vec<Vec<u8>> {
    let (mut vm, root) = start(world());
    let token = |(route, kind, _): &(&str, &str, &str)| {
        arrives(&mut vm, route, b"");
        let stream = vm.create(root);
        vm.request(stream);
        vm.response(stream);
        vm.delete(stream);
        let response = &vm.world().response;
        let cookie = || {
            let line = header(response, "set-cookie")?;
            Some(line.split_once('=')?.1.split(';').next()?.to_owned())
        };
        let told = if *kind == "GENERATED_COOKIE" { cookie() } else { header(response, "s") };
        told.map_or(b"key".to_vec(), String::into_bytes)
    };
    SERVICES.iter().map(token).collect()
}

/// Requests on every route, to a plugin that may not even be configured. Nothing may trap, and none may wait that was
/// not answered.
fn live_through(vm: &mut Vm, root: u32, tokens: &[Vec<u8>]) {
    for ((route, ..), own) in SERVICES.iter().zip(tokens) {
        for token in [b"".as_slice(), own, b"x", b",,,"] {
            arrives(vm, route, token);
            let stream = vm.create(root);
            let action = vm.request(stream);
            let answered = vm.world().local_response.is_some();
            let said_to_be = vm.world().faults.get("proxy_send_local_response") == Some(&0);
            assert!(action == 0 || answered || said_to_be, "a request that was not answered waits");
            vm.world().now += Duration::from_millis(500);
            vm.tick(root);
            assert_eq!(vm.response(stream), 0);
            vm.delete(stream);
        }
    }
    let panicked = vm.world().log.iter().find(|(level, _)| *level >= 5);
    assert_eq!(panicked, None);
}

/// All calls, one by one, and all of them at once.
fn faulty_calls() -> Vec<Vec<String>> {
    let all = imported();
    let mut groups: Vec<_> = all.iter().map(|name| vec![name.clone()]).collect();
    groups.push(all);
    groups
}

#[test]
fn every_session_is_told_and_known_again_on_a_host_that_does_as_it_should() {
    let tokens = tokens();
    let (mut vm, root) = start(world());
    for ((route, _, pin), token) in SERVICES.iter().zip(&tokens) {
        arrives(&mut vm, route, token);
        // As Envoy does where the endpoint is the one that was asked for.
        vm.world().response.retain(|(name, _)| name != b"x-affinity-endpoint");
        let stream = vm.create(root);
        assert_eq!(vm.request(stream), 0);
        if !pin.is_empty() {
            let expected = to_header(ENDPOINT.parse().unwrap());
            assert_eq!(header(&vm.world().request, "x-affinity-endpoint"), Some(expected), "{route}");
        }
        assert_eq!(vm.response(stream), 0);
        assert_eq!(header(&vm.world().response, "x-affinity-endpoint"), None, "{route}");
        let outcome = if pin.is_empty() { "hashed" } else { "pinned" };
        if *route != "http-cookie" {
            assert!(header(&vm.world().response, "x-debug").unwrap().starts_with(outcome), "{route}");
        }
        vm.delete(stream);
    }
}

#[test]
fn no_status_of_any_call_stops_a_plugin_with_pins_that_starts() {
    let tokens = tokens();
    for names in faulty_calls() {
        for status in [0, 1, 10, u32::MAX] {
            let mut world = world();
            world.faults = names.iter().map(|name| (name.clone(), status)).collect();
            let (mut vm, root, _) = Vm::start(world);
            live_through(&mut vm, root, &tokens);
        }
    }
}

#[test]
fn no_status_of_any_call_stops_a_plugin_with_pins_that_serves() {
    let tokens = tokens();
    for names in faulty_calls() {
        let (mut vm, root) = start(world());
        for status in (0..=12).chain([u32::MAX]) {
            vm.world().faults = names.iter().map(|name| (name.clone(), status)).collect();
            live_through(&mut vm, root, &tokens);
            // Nothing of it stays.
            vm.world().faults.clear();
            vm.tick(root);
            live_through(&mut vm, root, &tokens);
        }
    }
}

#[test]
fn bytes_that_are_promised_and_not_handed_over_stop_no_plugin_with_pins() {
    let tokens = tokens();
    let (mut vm, root) = start(world());
    for handing_over in [HandingOver::NoPointer, HandingOver::NoBytes, HandingOver::LikeEnvoy] {
        vm.world().handing_over = handing_over;
        live_through(&mut vm, root, &tokens);
    }
}

#[test]
fn endpoints_envelopes_and_keys_of_any_bytes_are_lived_with() {
    let tokens = tokens();
    let (mut vm, root) = start(world());
    let mut texts: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        vec![0xff; 10],
        vec![0; 10],
        vec![b','; 10_000],
        vec![b'A'; 5593],
        vec![b'A'; 100_000],
    ];
    texts.extend(["MTI3LjAuMC4xOjE=", "MTI3LjAuMC4xOjE", "Og==", "MTox", "127.0.0.1:1"].map(Into::into));
    texts.extend(
        (0..100_u64).map(|seed| (0..seed).flat_map(|word| mix(seed ^ (word << 32)).to_le_bytes()).collect()),
    );
    for text in texts {
        for ((route, ..), token) in SERVICES.iter().zip(&tokens) {
            for own in [text.as_slice(), token] {
                arrives(&mut vm, route, own);
                let stream = vm.create(root);
                assert_eq!(vm.request(stream), 0);
                let world = vm.world();
                world.properties.insert("upstream.address".to_owned(), text.clone());
                world.response.push((b"s".to_vec(), text.clone()));
                world.response.retain(|(name, _)| name != b"x-affinity-endpoint");
                world.response.insert(0, (b"x-affinity-endpoint".to_vec(), text.clone()));
                assert_eq!(vm.response(stream), 0);
                assert_eq!(header(&vm.world().response, "x-affinity-endpoint"), None, "{route}");
                vm.delete(stream);
            }
        }
    }
}

#[test]
fn ten_thousand_envelopes_and_endpoints_leave_memory_where_it_was() {
    let tokens = tokens();
    let (mut vm, root) = start(world());
    let largest = vec![b'v'; 4096];
    let mut before = 0;
    for round in 0..10_000 {
        let ((route, ..), own) = SERVICES.iter().zip(&tokens).nth(round % SERVICES.len()).unwrap();
        let token = if round % 3 == 0 { b"".as_slice() } else { own };
        arrives(&mut vm, route, token);
        let stream = vm.create(root);
        assert_eq!(vm.request(stream), 0);
        // One in ten is never answered.
        if round % 10 != 0 {
            let wrapped = vm.world().response.iter_mut().filter(|(name, _)| name == b"s");
            wrapped.for_each(|(_, value)| value.clone_from(&largest));
            assert_eq!(vm.response(stream), 0);
        }
        vm.delete(stream);
        if round % 100 == 0 {
            vm.tick(root);
            vm.calls();
            vm.world().log.clear();
        }
        if round == 1_000 {
            before = vm.memory();
        }
    }
    assert_eq!(vm.memory(), before, "bytes of memory");
}
