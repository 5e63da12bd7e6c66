//! A backend that is down.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::net::TcpSocket;

/// An address on 127.0.0.1 that refuses connections until this is dropped, unless a [`super::Pod`] is started there.
/// The socket is bound, so that no other process gets the address, but does not listen.
#[derive(Debug)]
pub struct RefusingAddress(TcpSocket);

impl RefusingAddress {
    /// Takes an address that the system chooses.
    ///
    /// # Errors
    /// If the system gives no address.
    pub fn new() -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        // Allows a pod to listen at the address. The pod sets this option too.
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self(socket))
    }

    /// The address.
    ///
    /// # Panics
    /// Never, because the socket is bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("a bound socket")
    }
}
