//! The ports in pages, and the ports that replace them in a test.

use std::net::TcpListener;

/// Ports of this machine that replace those in pages.
pub struct Ports {
    /// The text in a page, and its replacement. Three ports that differ in their last digit share one entry without
    /// that digit.
    pairs: [(&'static str, String); 3],
}

impl Ports {
    /// Finds free ports.
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

    /// A page's text with the replaced ports.
    pub fn used(&self, text: &str) -> String {
        self.pairs.iter().fold(text.to_owned(), |text, (said, used)| text.replace(said, used))
    }

    /// The reverse replacement.
    pub fn said(&self, text: &str) -> String {
        self.pairs.iter().fold(text.to_owned(), |text, (said, used)| text.replace(used, said))
    }
}

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}
