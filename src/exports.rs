//! What Envoy calls: the exports of the proxy-wasm ABI 0.2.1, and the plugins and streams that they are about.
//!
//! The SDK exports every callback of the ABI, panics on what it does not expect, and would be used for nothing else.
//! Envoy calls each callback that a module exports, for every stream, so there are only those that this filter needs.

#![allow(unsafe_code, reason = "Envoy finds its callbacks by their unmangled names")]

use std::cell::RefCell;

use crate::filter::{self, Action, Request};
use crate::host;
use crate::plugin::Root;
use crate::streams::Streams;

/// The contexts of this VM, by the ids that Envoy gave them.
struct Contexts {
    /// One for each plugin: a handful.
    roots: Vec<(u32, Root)>,
    /// The newest stream, and its plugin's root. Its request comes next.
    created: Option<(u32, u32)>,
    /// Requests that are under way, where their response matters.
    streams: Streams<Request>,
}

thread_local! {
    static CONTEXTS: RefCell<Contexts> = const {
        RefCell::new(Contexts { roots: Vec::new(), created: None, streams: Streams::new() })
    };
}

impl Contexts {
    fn root(&mut self, id: u32) -> Option<&mut Root> {
        self.roots.iter_mut().find_map(|(known, root)| (*known == id).then_some(root))
    }

    fn on_request_headers(&mut self, stream: u32) -> Option<Action> {
        let (_, root) = self.created.take().filter(|(created, _)| *created == stream)?;
        let Self { roots, streams, .. } = self;
        let (_, of_root) = roots.iter().find(|(known, _)| *known == root)?;
        Some(filter::on_request_headers(of_root.plugin(), |request| streams.wait(stream, request)))
    }

    /// Envoy tells the end of no context (see [`Streams`]), so the oldest plugin asks for all others, and they for it.
    /// Asking makes each the context that calls are about: this must be the last thing that a tick does.
    fn sweep(&mut self, root: u32) {
        let Self { roots, streams, .. } = self;
        let oldest = roots.first().map(|(id, _)| *id);
        roots.retain(|(id, _)| {
            let asks = oldest == Some(root) || oldest == Some(*id);
            *id == root || !asks || host::enter(*id)
        });
        if oldest == Some(root) {
            streams.sweep(host::enter);
        }
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

#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut u8 {
    host::allocate(size)
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
            contexts.created = Some((id, root));
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
        contexts.sweep(root);
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
    with(Action::Continue, |contexts| contexts.on_request_headers(stream))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(stream: u32, count: usize, _end_of_stream: bool) -> Action {
    with(Action::Continue, |contexts| {
        contexts.streams.answered(stream)?.on_response_headers(count);
        Some(Action::Continue)
    })
}
