//! A host for the filter, compiled natively: the functions of the proxy-wasm ABI 0.2.1, with the behaviour of Envoy. A
//! call that the filter must never make panics.

#![allow(clippy::missing_safety_doc, reason = "the filter calls these functions as the ABI says")]

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::headers::Lines;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;
const CAS_MISMATCH: u32 = 8;

/// The state that the filter can see and change.
#[derive(Debug, Default)]
pub struct World {
    pub configuration: Vec<u8>,
    /// The time in milliseconds since 1970.
    pub now: u64,
    /// The properties, with their paths joined by dots.
    pub properties: BTreeMap<String, Vec<u8>>,
    pub request: Lines,
    pub response: Lines,
    pub call_response: Lines,
    pub shared: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    /// Probes without a response.
    pub calls: Vec<u32>,
    /// The status of the filter's local reply.
    pub local_response: Option<u32>,
    pub log: Vec<String>,
    metrics: u32,
    last_call: u32,
}

thread_local!(static WORLD: RefCell<World> = RefCell::default());

/// Reads or changes the world.
pub fn with<T>(act: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(act)
}

/// A new world. The tokens of probes continue, because the SDK remembers them.
pub fn reset(now: u64) {
    with(|world| *world = World { now, last_call: world.last_call, ..World::default() });
}

unsafe fn bytes<'a>(data: *const u8, len: usize) -> &'a [u8] {
    if len == 0 {
        return &[];
    }
    // SAFETY: the filter passes its own memory.
    unsafe { std::slice::from_raw_parts(data, len) }
}

unsafe fn text(data: *const u8, len: usize) -> String {
    // SAFETY: as above.
    std::str::from_utf8(unsafe { bytes(data, len) }).expect("names are UTF-8").to_owned()
}

/// Returns bytes to the filter. Envoy allocates no block for an empty value.
unsafe fn hand_over(value: &[u8], data: *mut *mut u8, len: *mut usize) -> u32 {
    let block = if value.is_empty() {
        std::ptr::null_mut()
    } else {
        Box::into_raw(value.to_vec().into_boxed_slice()).cast::<u8>()
    };
    // SAFETY: the filter passes places for both.
    unsafe { (*data, *len) = (block, value.len()) };
    OK
}

fn lines<T>(map: u32, act: impl FnOnce(&mut Lines) -> T) -> T {
    with(|world| match map {
        0 => act(&mut world.request),
        2 => act(&mut world.response),
        6 => act(&mut world.call_response),
        other => panic!("no header map {other}"),
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_log(_: u32, message: *const u8, len: usize) -> u32 {
    // SAFETY: the ABI.
    let line = unsafe { text(message, len) };
    with(|world| world.log.push(line));
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_log_level(level: *mut u32) -> u32 {
    // SAFETY: the ABI. Debug: every line is formatted.
    unsafe { *level = 1 };
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32 {
    // SAFETY: the ABI.
    unsafe { *time = with(|world| world.now).saturating_mul(1_000_000) };
    OK
}

#[unsafe(no_mangle)]
extern "C" fn proxy_set_tick_period_milliseconds(_: u32) -> u32 {
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_buffer_bytes(
    buffer: u32,
    _: usize,
    _: usize,
    data: *mut *mut u8,
    len: *mut usize,
) -> u32 {
    assert_eq!(buffer, 7, "the plugin configuration");
    let configuration = with(|world| world.configuration.clone());
    // SAFETY: the ABI.
    unsafe { hand_over(&configuration, data, len) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, len: *mut usize) -> u32 {
    let encoded = lines(map, |lines| crate::headers::encode(lines));
    // SAFETY: the ABI.
    unsafe { hand_over(&encoded, data, len) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_header_map_value(
    map: u32,
    name: *const u8,
    name_len: usize,
    data: *mut *mut u8,
    len: *mut usize,
) -> u32 {
    // SAFETY: the ABI.
    let name = unsafe { text(name, name_len) };
    let value = lines(map, |lines| lines.iter().find(|(other, _)| *other == name).cloned());
    match value {
        // SAFETY: the ABI.
        Some((_, value)) => unsafe { hand_over(&value, data, len) },
        None => NOT_FOUND,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_replace_header_map_value(
    map: u32,
    name: *const u8,
    name_len: usize,
    value: *const u8,
    value_len: usize,
) -> u32 {
    // SAFETY: the ABI.
    let (name, value) = unsafe { (text(name, name_len), bytes(value, value_len).to_vec()) };
    lines(map, |lines| {
        lines.retain(|(other, _)| *other != name);
        lines.push((name, value));
    });
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_add_header_map_value(
    map: u32,
    name: *const u8,
    name_len: usize,
    value: *const u8,
    value_len: usize,
) -> u32 {
    // SAFETY: the ABI.
    let (name, value) = unsafe { (text(name, name_len), bytes(value, value_len).to_vec()) };
    lines(map, |lines| lines.push((name, value)));
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_remove_header_map_value(map: u32, name: *const u8, name_len: usize) -> u32 {
    // SAFETY: the ABI.
    let name = unsafe { text(name, name_len) };
    lines(map, |lines| lines.retain(|(other, _)| *other != name));
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_property(
    path: *const u8,
    path_len: usize,
    data: *mut *mut u8,
    len: *mut usize,
) -> u32 {
    // SAFETY: the ABI.
    let path = unsafe { text(path, path_len) }.replace('\0', ".");
    let value = with(|world| match path.strip_prefix("request.headers.") {
        Some(name) => {
            let named = world.request.iter().filter(|(other, _)| other == name);
            let values: Vec<&[u8]> = named.map(|(_, value)| value.as_slice()).collect();
            (!values.is_empty()).then(|| values.join(&b","[..]))
        }
        None => world.properties.get(&path).cloned(),
    });
    match value {
        // SAFETY: the ABI.
        Some(value) => unsafe { hand_over(&value, data, len) },
        None => NOT_FOUND,
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_set_property(_: *const u8, _: usize, _: *const u8, _: usize) -> u32 {
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_shared_data(
    key: *const u8,
    key_len: usize,
    data: *mut *mut u8,
    len: *mut usize,
    version: *mut u32,
) -> u32 {
    // SAFETY: the ABI.
    let key = unsafe { bytes(key, key_len) };
    match with(|world| world.shared.get(key).cloned()) {
        Some((value, known)) => {
            // SAFETY: the ABI.
            unsafe {
                *version = known;
                hand_over(&value, data, len)
            }
        }
        None => NOT_FOUND,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_shared_data(
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
    version: u32,
) -> u32 {
    // SAFETY: the ABI.
    let (key, value) = unsafe { (bytes(key, key_len).to_vec(), bytes(value, value_len).to_vec()) };
    with(|world| {
        let known = world.shared.get(&key).map_or(0, |(_, version)| *version);
        if version != 0 && known != 0 && version != known {
            return CAS_MISMATCH;
        }
        world.shared.insert(key, (value, known + 1));
        OK
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_define_metric(_: u32, name: *const u8, len: usize, id: *mut u32) -> u32 {
    // SAFETY: the ABI.
    let name = unsafe { text(name, len) };
    assert!(name.starts_with("session_affinity."), "{name}");
    // SAFETY: the ABI.
    unsafe {
        *id = with(|world| {
            world.metrics += 1;
            world.metrics
        });
    }
    OK
}

#[unsafe(no_mangle)]
extern "C" fn proxy_increment_metric(id: u32, by: i64) -> u32 {
    assert!(id > 0 && id <= with(|world| world.metrics) && by >= 0);
    OK
}

#[unsafe(no_mangle)]
extern "C" fn proxy_record_metric(id: u32, value: u64) -> u32 {
    assert!(id > 0 && id <= with(|world| world.metrics) && value <= 1);
    OK
}

#[unsafe(no_mangle)]
extern "C" fn proxy_send_local_response(
    status: u32,
    _: *const u8,
    _: usize,
    _: *const u8,
    _: usize,
    _: *const u8,
    _: usize,
    _: i32,
) -> u32 {
    assert!((400..=599).contains(&status), "{status}");
    with(|world| world.local_response = Some(status));
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_http_call(
    cluster: *const u8,
    cluster_len: usize,
    _: *const u8,
    _: usize,
    _: *const u8,
    _: usize,
    _: *const u8,
    _: usize,
    _: u32,
    token: *mut u32,
) -> u32 {
    // SAFETY: the ABI.
    let cluster = unsafe { text(cluster, cluster_len) };
    if cluster == "unknown" {
        return BAD_ARGUMENT;
    }
    with(|world| {
        world.last_call += 1;
        world.calls.push(world.last_call);
        // SAFETY: the ABI.
        unsafe { *token = world.last_call };
    });
    OK
}

#[unsafe(no_mangle)]
extern "C" fn proxy_set_effective_context(_: u32) -> u32 {
    OK
}

/// Functions that the SDK can call and the filter never calls.
macro_rules! never_called {
    ($($name:ident)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name() -> u32 {
                panic!(concat!(stringify!($name), " is called"));
            }
        )*
    };
}

never_called! {
    proxy_call_foreign_function
    proxy_close_stream
    proxy_continue_stream
    proxy_dequeue_shared_queue
    proxy_done
    proxy_enqueue_shared_queue
    proxy_get_metric
    proxy_get_status
    proxy_grpc_call
    proxy_grpc_cancel
    proxy_grpc_close
    proxy_grpc_send
    proxy_grpc_stream
    proxy_register_shared_queue
    proxy_resolve_shared_queue
    proxy_set_buffer_bytes
    proxy_set_header_map_pairs
}
