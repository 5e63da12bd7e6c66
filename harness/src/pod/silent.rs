//! A backend that drops all packets.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Maximum time for a connection on this machine.
const AT_ONCE: Duration = Duration::from_millis(500);
/// Maximum length of the queue. Some systems round the length up.
const LONGEST_QUEUE: usize = 64;

/// An address on 127.0.0.1 that neither accepts nor refuses connections until this is dropped. The listener accepts no
/// connections and its queue is full, so the system drops new packets. To clients, it looks like a host that is down or
/// behind a firewall.
#[derive(Debug)]
pub struct SilentAddress {
    listener: TcpListener,
    /// The connections that fill the queue.
    _queue: Vec<TcpStream>,
}

impl SilentAddress {
    /// Takes an address that the system chooses.
    ///
    /// # Errors
    /// If the system gives no address, or still accepts connections.
    pub async fn start() -> Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Takes this address: the address of a stopped [`super::Pod`], or of a [`super::RefusingAddress`].
    ///
    /// # Errors
    /// If the address is in use, or if the system still accepts connections.
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
    /// Never, because the socket is bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound socket")
    }
}
