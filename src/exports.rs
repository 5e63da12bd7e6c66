//! What Envoy calls: the exports of the proxy-wasm ABI 0.2.1, and the plugins and streams that they are about.
//!
//! The SDK exports every callback of the ABI, panics on what it does not expect, and would be used for nothing else.
//! Envoy calls each callback that a module exports, for every stream, so there are only those that this filter needs.

#![allow(unsafe_code, reason = "Envoy finds its callbacks by their unmangled names")]

use std::cell::RefCell;
use std::collections::HashMap;

use fnv::FnvBuildHasher;

use crate::filter::{Action, Filter};
use crate::host;
use crate::plugin::Root;

/// The contexts of this VM, by the ids that Envoy gave them.
struct Contexts {
    /// One for each plugin: a handful.
    roots: Vec<(u32, Root)>,
    /// One for each request that is under way.
    streams: HashMap<u32, Filter, FnvBuildHasher>,
}

thread_local! {
    static CONTEXTS: RefCell<Contexts> = const {
        RefCell::new(Contexts { roots: Vec::new(), streams: HashMap::with_hasher(FnvBuildHasher::new()) })
    };
}

impl Contexts {
    fn root(&mut self, id: u32) -> Option<&mut Root> {
        self.roots.iter_mut().find_map(|(known, root)| (*known == id).then_some(root))
    }
}

/// `otherwise` where there is no such context. While one callback runs, Envoy calls `malloc` alone.
fn with<T>(otherwise: T, callback: impl FnOnce(&mut Contexts) -> Option<T>) -> T {
    let answer = CONTEXTS
        .with(|contexts| contexts.try_borrow_mut().ok().and_then(|mut contexts| callback(&mut contexts)));
    answer.unwrap_or(otherwise)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// A block for the host to fill; [`host`] takes it over.
#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut u8 {
    Box::into_raw(Box::<[u8]>::new_uninit_slice(size)).cast()
}

#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    host::start_logging();
}

/// `root` is 0 where the context is a plugin's own.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(id: u32, root: u32) {
    with((), |contexts| {
        if root == 0 {
            contexts.roots.push((id, Root::new()));
        } else {
            let filter = Filter::new(contexts.root(root)?.plugin());
            contexts.streams.insert(id, filter);
        }
        Some(())
    });
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, _size: usize) -> bool {
    with(false, |contexts| Some(contexts.root(root)?.configure()))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    with((), |contexts| {
        contexts.root(root)?.tick();
        Some(())
    });
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(root: u32, token: u32, _: usize, _: usize, _: usize) {
    with((), |contexts| {
        contexts.root(root)?.take_call_response(token);
        Some(())
    });
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(stream: u32, _count: usize, _end_of_stream: bool) -> Action {
    with(Action::Continue, |contexts| Some(contexts.streams.get_mut(&stream)?.on_request_headers()))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(stream: u32, count: usize, _end_of_stream: bool) -> Action {
    with(Action::Continue, |contexts| {
        contexts.streams.get_mut(&stream)?.on_response_headers(count);
        Some(Action::Continue)
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(id: u32) {
    with((), |contexts| {
        if contexts.streams.remove(&id).is_none() {
            contexts.roots.retain(|(root, _)| *root != id);
        }
        Some(())
    });
}
