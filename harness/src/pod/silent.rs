//! A backend from which nothing comes back.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A connection on this machine is made at once, or not at all.
const AT_ONCE: Duration = Duration::from_millis(500);
/// No queue, not even one that a system rounds up, is longer.
const LONGEST_QUEUE: usize = 64;

/// An address on 127.0.0.1 where attempts to connect are neither taken nor refused, for as long as this lives: a
/// listener that accepts nothing, with a queue that is full, so that the system drops what comes. To its clients it
/// is a host that is gone, or one behind a firewall.
#[derive(Debug)]
pub struct SilentAddress {
    listener: TcpListener,
    /// What fills the queue.
    _queue: Vec<TcpStream>,
}

impl SilentAddress {
    /// Takes an address that the system chooses.
    ///
    /// # Errors
    /// Where the system gives none, or goes on to take connections.
    pub async fn start() -> Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Takes this address: where a [`super::Pod`] was stopped before, or one that is kept by a
    /// [`super::RefusingAddress`].
    ///
    /// # Errors
    /// Where the address is taken, or the system goes on to take connections.
    pub async fn start_at(address: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(address).with_context(|| format!("taking {address}"))?;
        let listener = socket.listen(0)?;
        let address = listener.local_addr()?;
        let mut queue = Vec::new();
        while let Ok(stream) = tokio::time::timeout(AT_ONCE, TcpStream::connect(address)).await {
            queue.push(stream?);
            anyhow::ensure!(queue.len() < LONGEST_QUEUE, "{address} still takes connections");
        }
        Ok(Self { listener, _queue: queue })
    }

    /// The address.
    ///
    /// # Panics
    /// Never: the socket is bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound socket")
    }
}
