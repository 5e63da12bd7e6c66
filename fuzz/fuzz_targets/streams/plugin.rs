//! The filter's callbacks, called as Envoy calls them.

use std::sync::Once;

use crate::host;

unsafe extern "C" {
    fn _initialize();
    fn proxy_on_context_create(context: u32, root: u32);
    fn proxy_on_configure(root: u32, size: usize) -> bool;
    fn proxy_on_tick(root: u32);
    fn proxy_on_request_headers(stream: u32, count: usize, end: bool) -> u32;
    fn proxy_on_response_headers(stream: u32, count: usize, end: bool) -> u32;
    fn proxy_on_http_call_response(root: u32, token: u32, headers: usize, body: usize, trailers: usize);
    fn proxy_on_delete(context: u32);
}

const ROOT: u32 = 1;

/// A plugin with its configuration, and its streams.
pub struct Plugin {
    last_stream: u32,
    streams: Vec<u32>,
}

impl Plugin {
    /// Starts the plugin.
    pub fn start(configuration: &str) -> Self {
        static ONCE: Once = Once::new();
        // SAFETY: the filter's own start.
        ONCE.call_once(|| unsafe { _initialize() });
        // SAFETY: the id is free: the last plugin deleted it.
        unsafe { proxy_on_context_create(ROOT, 0) };
        let mut plugin = Self { last_stream: ROOT, streams: Vec::new() };
        assert!(plugin.configure(configuration), "{:?}", host::with(|world| world.log.clone()));
        plugin
    }

    /// Gives the plugin another configuration. Returns whether the plugin accepts it.
    pub fn configure(&mut self, configuration: &str) -> bool {
        host::with(|world| world.configuration = configuration.into());
        // SAFETY: the plugin exists.
        unsafe { proxy_on_configure(ROOT, configuration.len()) }
    }

    pub fn tick(&mut self) {
        // SAFETY: the plugin exists.
        unsafe { proxy_on_tick(ROOT) };
    }

    /// A request arrives. Returns its stream, and whether the request continues.
    pub fn request(&mut self) -> (u32, bool) {
        self.last_stream += 1;
        let stream = self.last_stream;
        self.streams.push(stream);
        let count = host::with(|world| world.request.len());
        // SAFETY: the plugin exists, and the stream's id is new.
        let action = unsafe {
            proxy_on_context_create(stream, ROOT);
            proxy_on_request_headers(stream, count, true)
        };
        (stream, action == 0)
    }

    /// The response arrives.
    pub fn response(&mut self, stream: u32) {
        let count = host::with(|world| world.response.len());
        // SAFETY: the stream exists.
        assert_eq!(unsafe { proxy_on_response_headers(stream, count, true) }, 0, "a response always goes on");
    }

    /// Delivers the response to a probe. Without headers, the probe failed.
    pub fn answer(&mut self, token: u32) {
        let count = host::with(|world| world.call_response.len());
        // SAFETY: the plugin exists.
        unsafe { proxy_on_http_call_response(ROOT, token, count, 0, 0) };
    }

    /// The stream ends.
    pub fn end(&mut self, stream: u32) {
        self.streams.retain(|other| *other != stream);
        // SAFETY: the stream exists.
        unsafe { proxy_on_delete(stream) };
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        for context in self.streams.drain(..).chain([ROOT]) {
            // SAFETY: the context exists.
            unsafe { proxy_on_delete(context) };
        }
    }
}
