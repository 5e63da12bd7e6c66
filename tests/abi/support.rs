//! Plugins with a configuration, and requests to them.

use serde_json::{Value, json};

use crate::host::{Vm, World};

/// A plugin that accepted its configuration. The list of its calls is cleared.
pub fn plugin(configuration: &Value) -> (Vm, u32) {
    let (mut vm, root, taken) = Vm::start(World::new(configuration.to_string()));
    assert!(taken, "{:?}", vm.world().log);
    vm.calls();
    (vm, root)
}

/// A configuration with cookies over two backends.
pub fn generated_cookie() -> Value {
    json!({
        "sessionAffinity": { "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": 50 },
        "backends": ["blue", "green"],
    })
}

/// A request with this `Cookie` header arrives, and the filter lets it continue.
pub fn request(vm: &mut Vm, root: u32, cookie: Option<&str>) -> u32 {
    let world = vm.world();
    let own = [(":method", "GET"), (":path", "/"), (":scheme", "https")];
    world.request = own.map(|(name, value)| (name.into(), value.into())).to_vec();
    world.request.extend(cookie.map(|cookie| (b"cookie".to_vec(), cookie.as_bytes().to_vec())));
    world.properties.insert("source.address".to_owned(), b"10.1.2.3:4711".to_vec());
    let stream = vm.create(root);
    assert_eq!(vm.request(stream), 0, "it goes on");
    stream
}

/// The application of the selected cluster responds.
pub fn response(vm: &mut Vm, stream: u32) {
    let cluster = header(&vm.world().request, "x-affinity-cluster").unwrap_or_default();
    let world = vm.world();
    let headers = [
        (":status", "200"),
        ("x-envoy-upstream-service-time", "1"),
        ("content-type", "text/plain"),
        ("content-length", "2"),
    ];
    world.response = headers.map(|(name, value)| (name.into(), value.into())).to_vec();
    world.properties.insert("response.code_details".to_owned(), b"via_upstream".to_vec());
    world.properties.insert("xds.cluster_name".to_owned(), cluster.into_bytes());
    assert_eq!(vm.response(stream), 0, "it goes on");
}

/// A whole request: its cluster, and the client's cookie after the response.
pub fn exchange(vm: &mut Vm, root: u32, cookie: Option<&str>) -> (String, Option<String>) {
    let stream = request(vm, root, cookie);
    response(vm, stream);
    let world = vm.world();
    let cluster = header(&world.request, "x-affinity-cluster").unwrap();
    let set_cookie = header(&world.response, "set-cookie");
    let new = set_cookie.map(|line| line.split(';').next().unwrap().to_owned());
    vm.delete(stream);
    (cluster, new.or_else(|| cookie.map(str::to_owned)))
}

/// The first value of a header.
pub fn header(headers: &[(Vec<u8>, Vec<u8>)], name: &str) -> Option<String> {
    let (_, value) = headers.iter().find(|(other, _)| other == name.as_bytes())?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// The counters that are above zero, by service and outcome.
pub fn counters(vm: &mut Vm) -> Vec<(String, u64)> {
    let short = |name: &str| name.replace("session_affinity.service.", "").replace(".outcome.", " ");
    let above_zero = vm.world().metrics.iter().filter(|(_, value)| *value > 0);
    above_zero.map(|(name, value)| (short(name), *value)).collect()
}
