//! The ports in pages, and those that stand for them in a test.

use std::net::TcpListener;

/// Ports of this machine in place of those that pages name.
pub struct Ports {
    /// What a page says, and what is run instead. Three ports that differ in their last digit have it in common.
    pairs: [(&'static str, String); 3],
}

impl Ports {
    /// Ports that are free.
    pub fn choose() -> Self {
        let one = || port_of(&TcpListener::bind("127.0.0.1:0").unwrap());
        let three = loop {
            let first = one() / 10;
            let is_free = |digit| TcpListener::bind(("127.0.0.1", first * 10 + digit)).is_ok();
            if (0..3).all(is_free) {
                break first;
            }
        };
        Self {
            pairs: [("10000", one().to_string()), ("9901", one().to_string()), ("938", three.to_string())],
        }
    }

    /// A page's text with the ports that are used.
    pub fn used(&self, text: &str) -> String {
        self.pairs.iter().fold(text.to_owned(), |text, (said, used)| text.replace(said, used))
    }

    /// The same the other way.
    pub fn said(&self, text: &str) -> String {
        self.pairs.iter().fold(text.to_owned(), |text, (said, used)| text.replace(used, said))
    }
}

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}
