//! A backend that is down.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::net::TcpSocket;

/// An address on 127.0.0.1 that refuses connections for as long as this lives, unless a [`super::Pod`] is
/// started at it: bound, so that nobody else gets it, but not listening.
#[derive(Debug)]
pub struct RefusingAddress(TcpSocket);

impl RefusingAddress {
    /// Takes an address that the system chooses.
    ///
    /// # Errors
    /// Where the system gives none.
    pub fn new() -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        // Lets a pod, which sets it too, listen at the address.
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self(socket))
    }

    /// The address.
    ///
    /// # Panics
    /// Never: the socket is bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("a bound socket")
    }
}
