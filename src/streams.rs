//! The streams whose response is awaited.
//!
//! Envoy would say when a stream ends, at the price of one more callback for each of them. Nearly all streams end with
//! their response. Of those that do not, because the client went away first, [`Streams::sweep`] finds out.

use std::collections::HashMap;

use fnv::FnvBuildHasher;

/// Sweeps, counted.
type Sweeps = u64;

/// Each stream is asked for so many sweeps after it came, and then once in so many: a request that nobody waits for
/// counts within a second.
const PAUSE: Sweeps = 3;
/// Room for so many from the start: memory need not grow with the first bursts.
const ROOM: usize = 512;

/// The streams of a VM, and what is to be remembered of each until its response comes.
#[derive(Debug)]
pub struct Streams<T> {
    awaited: HashMap<u32, Awaited<T>, FnvBuildHasher>,
    sweeps: Sweeps,
}

#[derive(Debug)]
struct Awaited<T> {
    ask_at: Sweeps,
    request: T,
}

impl<T> Streams<T> {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { awaited: HashMap::with_hasher(FnvBuildHasher::new()), sweeps: 0 }
    }

    /// Remembers a request until [`answered`](Self::answered) is called, or a sweep finds that the stream is gone.
    pub fn wait(&mut self, stream: u32, request: T) {
        if self.awaited.capacity() == 0 {
            self.awaited.reserve(ROOM);
        }
        self.awaited.insert(stream, Awaited { ask_at: self.sweeps.saturating_add(PAUSE), request });
    }

    /// What is remembered of a request. To be called when its response comes.
    pub fn answered(&mut self, stream: u32) -> Option<T> {
        // Most streams await nothing, and then this need not be computed.
        if self.awaited.is_empty() {
            return None;
        }
        self.awaited.remove(&stream).map(|awaited| awaited.request)
    }

    /// Drops what is remembered of streams that are gone. To be called at regular times. Streams that were answered
    /// soon are never asked for.
    pub fn sweep(&mut self, is_there: impl Fn(u32) -> bool) {
        self.sweeps = self.sweeps.saturating_add(1);
        let sweeps = self.sweeps;
        self.awaited.retain(|stream, awaited| {
            if sweeps < awaited.ask_at {
                return true;
            }
            awaited.ask_at = sweeps.saturating_add(PAUSE);
            is_there(*stream)
        });
    }
}

impl<T> Default for Streams<T> {
    fn default() -> Self {
        Self::new()
    }
}
