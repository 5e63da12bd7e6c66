//! A host that answers what no host should.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use session_affinity::hash::mix;

use crate::host::{HandingOver, Vm, World, imported};
use crate::imports::encode;
use crate::support::{counters, exchange, generated_cookie, header, plugin, request, response};

const SECRET: &str = "IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSE=";

/// Every path through the filter that a configuration can open.
fn everything() -> Value {
    json!({
        "services": [
            {
                "name": "shop",
                "sessionAffinity": {
                    "affinityType": "GENERATED_COOKIE",
                    "idleTimeoutSec": 4,
                    "cookie": { "path": "/shop", "hideFromUpstream": true },
                },
                "onUnavailable": "REJECT",
                "backends": ["blue", "green"],
            },
            { "name": "ip", "routes": ["ip"], "sessionAffinity": { "affinityType": "CLIENT_IP" }, "backends": ["blue"] },
            { "name": "any", "routes": ["any"], "backends": ["blue"] },
        ],
        "keys": [{ "id": "k1", "env": "KEY" }],
        "debugHeader": "x-debug",
    })
}

/// Sessions for [`everything`], of a backend that is there and of one that is gone.
fn cookies() -> [String; 2] {
    let mut configuration = everything();
    configuration["services"][0]["backends"] = json!(["blue"]);
    let begin = |configuration: &Value| {
        let mut world = World::new(configuration.to_string());
        world.environment = vec![format!("KEY={SECRET}")];
        world.request = vec![(b":path".to_vec(), b"/shop".to_vec())];
        world.properties.insert("response.code_details".to_owned(), b"via_upstream".to_vec());
        let (mut vm, root, taken) = Vm::start(world);
        assert!(taken, "{:?}", vm.world().log);
        let stream = vm.create(root);
        vm.request(stream);
        vm.response(stream);
        header(&vm.world().response, "set-cookie").unwrap().split(';').next().unwrap().to_owned()
    };
    let blue = begin(&configuration);
    configuration["services"][0]["backends"] = json!(["gone"]);
    [blue, begin(&configuration)]
}

/// Requests of every kind, to a plugin that may not even be configured. Nothing may trap, and none may wait
/// that was not answered.
fn live_through(vm: &mut Vm, root: u32, cookies: &[String; 2]) {
    let [blue, gone] = cookies;
    let joined = format!("a=1,{blue}; b=2");
    for route in ["shop", "ip", "any"] {
        for cookie in ["", blue, gone, &joined, "GCLB=x"] {
            let world = vm.world();
            world.local_response = None;
            world.request =
                [(":path", "/shop/cart"), (":scheme", "https"), ("cookie", cookie), ("cookie", "c=3")]
                    .map(|(name, value)| (name.into(), value.into()))
                    .to_vec();
            world.response = vec![(b"cache-control".to_vec(), b"public".to_vec())];
            for (path, value) in [
                ("xds.route_name", route),
                ("source.address", "[::1]:53256"),
                ("response.code_details", "via_upstream"),
                ("xds.cluster_name", "another"),
            ] {
                world.properties.insert(path.to_owned(), value.as_bytes().to_vec());
            }
            let stream = vm.create(root);
            let action = vm.request(stream);
            let answered = vm.world().local_response.is_some();
            let said_to_be = vm.world().faults.get("proxy_send_local_response") == Some(&0);
            assert!(action == 0 || answered || said_to_be, "a request that was not answered waits");
            vm.world().now += Duration::from_secs(1);
            vm.tick(root);
            assert_eq!(vm.response(stream), 0);
            vm.delete(stream);
        }
    }
    let panicked = vm.world().log.iter().find(|(level, _)| *level >= 5);
    assert_eq!(panicked, None);
}

fn world() -> World {
    let mut world = World::new(everything().to_string());
    world.environment = vec![format!("KEY={SECRET}")];
    world.log_level = 0;
    world
}

/// All calls, one by one, and all of them at once.
fn faulty_calls() -> Vec<Vec<String>> {
    let all = imported();
    let mut groups: Vec<_> = all.iter().map(|name| vec![name.clone()]).collect();
    groups.push(all);
    groups
}

/// Answered in place of what was asked; 0 is Ok without anything done.
fn statuses() -> impl Iterator<Item = u32> {
    (0..=15).chain([16, 255, 0x7fff_ffff, u32::MAX])
}

#[test]
fn no_status_of_any_call_stops_a_plugin_that_starts() {
    let cookies = cookies();
    for names in faulty_calls() {
        for status in statuses() {
            let mut world = world();
            world.faults = names.iter().map(|name| (name.clone(), status)).collect();
            let (mut vm, root, _) = Vm::start(world);
            live_through(&mut vm, root, &cookies);
        }
    }
}

#[test]
fn no_status_of_any_call_stops_a_plugin_that_serves() {
    let cookies = cookies();
    for names in faulty_calls() {
        let (mut vm, root, taken) = Vm::start(world());
        assert!(taken, "{:?}", vm.world().log);
        for status in statuses() {
            vm.world().faults = names.iter().map(|name| (name.clone(), status)).collect();
            live_through(&mut vm, root, &cookies);
            // Nothing of it stays.
            vm.world().faults.clear();
            vm.tick(root);
            live_through(&mut vm, root, &cookies);
        }
    }
}

#[test]
fn bytes_that_are_promised_and_not_handed_over_are_none() {
    let cookies = cookies();
    let (mut vm, root, taken) = Vm::start(world());
    assert!(taken, "{:?}", vm.world().log);
    for handing_over in [HandingOver::NoPointer, HandingOver::NoBytes, HandingOver::LikeEnvoy] {
        vm.world().handing_over = handing_over;
        live_through(&mut vm, root, &cookies);
        let mut world = world();
        world.handing_over = handing_over;
        let (_, _, taken) = Vm::start(world);
        assert_eq!(taken, handing_over == HandingOver::LikeEnvoy);
    }
}

#[test]
fn without_randomness_requests_go_by_weight_and_get_no_cookie() {
    let mut configuration = generated_cookie();
    configuration["debugHeader"] = "x-debug".into();
    let (mut vm, root) = plugin(&configuration);
    let (blue_or_green, cookie) = exchange(&mut vm, root, None);
    vm.world().faults.insert("random_get".to_owned(), 29);
    // What was drawn before is used up.
    for _ in 0..31 {
        exchange(&mut vm, root, None);
    }
    let mut clusters = BTreeMap::new();
    for _ in 0..200 {
        let (cluster, cookie) = exchange(&mut vm, root, None);
        assert_eq!(cookie, None);
        assert_eq!(header(&vm.world().response, "x-debug").unwrap(), "none; service=default");
        *clusters.entry(cluster).or_insert(0) += 1;
    }
    assert!(clusters.values().all(|count| *count > 50), "{clusters:?}");
    // Sessions that there are go on.
    assert_eq!(exchange(&mut vm, root, cookie.as_deref()), (blue_or_green, cookie));
}

#[test]
fn without_randomness_a_session_moves_all_the_same_and_always_to_the_same_backend() {
    let (mut before, root) = plugin(&generated_cookie());
    let (_, cookie) = exchange(&mut before, root, None);
    let mut configuration = generated_cookie();
    configuration["backends"] = json!(["red", "yellow", "violet"]);
    let (mut with, root) = plugin(&configuration);
    let (moved_to, new) = exchange(&mut with, root, cookie.as_deref());
    assert_ne!(new, cookie);
    let (mut without, root) = plugin(&configuration);
    without.world().faults.insert("random_get".to_owned(), 29);
    for _ in 0..5 {
        let told_nothing = (moved_to.clone(), cookie.clone());
        assert_eq!(exchange(&mut without, root, cookie.as_deref()), told_nothing);
    }
}

#[test]
fn header_maps_of_any_bytes_are_lived_with() {
    let (mut vm, root) = plugin(&generated_cookie());
    let whole =
        encode(&[(b"set-cookie".to_vec(), b"a=1".to_vec()), (b"cache-control".to_vec(), b"public".to_vec())]);
    let mut buffers: Vec<Vec<u8>> = (0..whole.len()).map(|end| whole[..end].to_vec()).collect();
    for place in 0..whole.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            let mut buffer = whole.clone();
            buffer[place] = byte;
            buffers.push(buffer);
        }
    }
    buffers.extend(
        (0..200_u64).map(|seed| (0..seed).flat_map(|word| mix(seed ^ (word << 32)).to_le_bytes()).collect()),
    );
    buffers.push(vec![0xff; 100_000]);
    for buffer in buffers {
        vm.world().raw_pairs = Some(buffer);
        let (_, cookie) = exchange(&mut vm, root, None);
        assert!(cookie.is_none_or(|cookie| cookie.starts_with("GCLB=")));
    }
    // And hidden cookies, for which the request's headers are asked.
    let mut configuration = generated_cookie();
    configuration["sessionAffinity"]["cookie"] = json!({ "hideFromUpstream": true });
    let (mut vm, root) = plugin(&configuration);
    for end in 0..whole.len() {
        vm.world().raw_pairs = Some(whole[..end].to_vec());
        exchange(&mut vm, root, Some("a=1,GCLB=x; b=2"));
    }
}

#[test]
fn a_clock_that_goes_back_a_minute_ends_no_session_and_one_that_goes_further_begins_new_ones() {
    let mut configuration = generated_cookie();
    configuration["debugHeader"] = "x-debug".into();
    let (mut vm, root) = plugin(&configuration);
    let (cluster, cookie) = exchange(&mut vm, root, None);
    let began = vm.world().now.as_secs();
    for (now, outcome) in [
        (began - 60, "pinned"),
        (began + 49, "pinned"),
        (began - 61, "invalid"),
        (0, "invalid"),
        (began, "pinned"),
        (began + 50, "expired"),
        (18_000_000_000, "expired"),
        (began, "pinned"),
    ] {
        vm.world().now = Duration::from_secs(now);
        vm.tick(root);
        let (went_to, _) = exchange(&mut vm, root, cookie.as_deref());
        assert_eq!(header(&vm.world().response, "x-debug").unwrap(), format!("{outcome}; service=default"));
        assert!(outcome != "pinned" || went_to == cluster);
        if let Some(line) = header(&vm.world().response, "set-cookie") {
            assert!(line.ends_with("; Max-Age=50"), "{line}");
        }
    }
}

#[test]
fn between_request_and_response_the_clock_may_go_anywhere() {
    let (mut vm, root) = plugin(&generated_cookie());
    for (now, max_age) in [(1_000, 50), (1_699_999_999, 50), (1_700_000_020, 30), (1_800_000_000, 0)] {
        vm.world().now = Duration::from_secs(1_700_000_000);
        vm.tick(root);
        let stream = request(&mut vm, root, None);
        vm.world().now = Duration::from_secs(now);
        vm.tick(root);
        response(&mut vm, stream);
        let line = header(&vm.world().response, "set-cookie").unwrap();
        assert!(line.ends_with(&format!("; Max-Age={max_age}")), "{line}");
        vm.delete(stream);
    }
}

#[test]
fn without_any_property_every_request_is_served_and_no_session_told() {
    let (mut vm, root, taken) = Vm::start(world());
    assert!(taken, "{:?}", vm.world().log);
    vm.world().response = vec![(b"cache-control".to_vec(), b"public".to_vec())];
    for _ in 0..10 {
        let stream = vm.create(root);
        assert_eq!(vm.request(stream), 0);
        assert!(header(&vm.world().request, "x-affinity-cluster").is_some());
        assert_eq!(vm.response(stream), 0);
        assert_eq!(header(&vm.world().response, "set-cookie"), None);
        assert_eq!(header(&vm.world().response, "cache-control").unwrap(), "public");
        vm.delete(stream);
    }
}

#[test]
fn properties_of_any_bytes_are_lived_with() {
    let (mut vm, root, taken) = Vm::start(world());
    assert!(taken, "{:?}", vm.world().log);
    let mut texts: Vec<Vec<u8>> =
        vec![vec![0xff; 10], vec![0; 10], vec![b','; 10_000], b"GCLB=\xff".to_vec()];
    texts.extend(
        (0..100_u64).map(|seed| (0..seed).flat_map(|word| mix(seed ^ (word << 32)).to_le_bytes()).collect()),
    );
    for text in texts {
        for path in ["xds.route_name", "source.address", "response.code_details", "xds.cluster_name"] {
            vm.world().properties.insert(path.to_owned(), text.clone());
        }
        let names = [":path", ":scheme", "cookie", "cookie"];
        vm.world().request = names.map(|name| (name.into(), text.clone())).to_vec();
        let stream = vm.create(root);
        assert_eq!(vm.request(stream), 0);
        vm.world().properties.insert("response.code_details".to_owned(), b"via_upstream".to_vec());
        assert_eq!(vm.response(stream), 0);
        vm.delete(stream);
    }
}

#[test]
fn a_counter_that_cannot_be_defined_leaves_the_others_counting() {
    let mut world = World::new(generated_cookie().to_string());
    world.faults.insert("proxy_define_metric".to_owned(), 10);
    let (mut vm, root, taken) = Vm::start(world);
    assert!(taken);
    exchange(&mut vm, root, None);
    vm.tick(root);
    assert_eq!(counters(&mut vm), []);
}

#[test]
fn a_configuration_that_is_refused_is_one_line_at_error_level() {
    for configuration in ["", "{", "{}", r#"{"backends":[]}"#] {
        let (mut vm, _, taken) = Vm::start(World::new(configuration));
        assert!(!taken);
        let log = vm.world().log.clone();
        assert_eq!(log.len(), 1, "{log:?}");
        assert_eq!(log[0].0, 4);
        assert!(log[0].1.starts_with("session-affinity: config error at "), "{log:?}");
    }
}
