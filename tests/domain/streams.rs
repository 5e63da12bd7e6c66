//! Streams that wait for their response, and those that do not any more.

use std::cell::RefCell;
use std::collections::BTreeSet;

use session_affinity::streams::Streams;

/// Streams of which some are there.
#[derive(Default)]
struct Host {
    streams: Streams<u32>,
    there: BTreeSet<u32>,
    asked: RefCell<Vec<u32>>,
}

impl Host {
    fn wait(&mut self, stream: u32) {
        self.there.insert(stream);
        self.streams.wait(stream, stream);
    }

    /// The streams that were asked for.
    fn sweep(&mut self) -> Vec<u32> {
        self.streams.sweep(|stream| {
            self.asked.borrow_mut().push(stream);
            self.there.contains(&stream)
        });
        self.asked.take()
    }
}

#[test]
fn what_is_remembered_of_a_stream_is_given_once() {
    let mut host = Host::default();
    host.wait(7);
    assert_eq!(host.streams.answered(8), None);
    assert_eq!(host.streams.answered(7), Some(7));
    assert_eq!(host.streams.answered(7), None);
}

#[test]
fn a_stream_that_is_answered_at_once_is_never_asked_for() {
    let mut host = Host::default();
    for stream in 0..100 {
        host.wait(stream);
        assert_eq!(host.sweep(), [0; 0]);
        assert_eq!(host.streams.answered(stream), Some(stream));
    }
}

#[test]
fn streams_that_are_gone_are_forgotten_at_the_third_sweep() {
    let mut host = Host::default();
    for stream in 0..1_000 {
        host.wait(stream);
    }
    host.there.clear();
    assert_eq!((host.sweep(), host.sweep()), (Vec::new(), Vec::new()));
    assert_eq!(host.sweep().len(), 1_000);
    assert_eq!(host.sweep(), [0; 0]);
    assert!((0..1_000).all(|stream| host.streams.answered(stream).is_none()));
}

#[test]
fn streams_that_stay_are_asked_for_at_every_third_sweep_and_found_gone_in_the_end() {
    let mut host = Host::default();
    host.wait(7);
    let asked = (0..300).filter(|_| !host.sweep().is_empty()).count();
    assert_eq!(asked, 100);
    host.there.clear();
    let later = (0..64).filter(|_| !host.sweep().is_empty()).count();
    assert_eq!((later, host.streams.answered(7)), (1, None));
}
