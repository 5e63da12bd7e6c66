//! A backend that is not an HTTP server: it sends the same bytes to every client.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::thread::ServerThread;

/// Maximum length of a request head.
const LONGEST_HEAD: usize = 1 << 20;

/// Answers the first request on each connection with the given bytes, and closes the connection. Without bytes, this is
/// a reset before the response.
#[derive(Debug)]
pub struct RawPod {
    server: ServerThread,
    heads: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl RawPod {
    /// A raw pod on 127.0.0.1, at a port that the system chooses.
    ///
    /// # Errors
    /// If the system gives no port or thread.
    pub fn start(answer: impl Into<Vec<u8>>) -> Result<Self> {
        let answer: Arc<[u8]> = answer.into().into();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&heads);
        let server = ServerThread::start(SocketAddr::from(([127, 0, 0, 1], 0)), |listener| async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer_once(stream, Arc::clone(&answer), Arc::clone(&recorded)));
            }
        })?;
        Ok(Self { server, heads })
    }

    /// The address of the pod.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The request heads so far, byte for byte, including the empty line.
    #[must_use]
    pub fn requests(&self) -> Vec<Vec<u8>> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer_once(mut stream: TcpStream, answer: Arc<[u8]>, heads: Arc<Mutex<Vec<Vec<u8>>>>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        match stream.read_buf(&mut head).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    heads.lock().unwrap_or_else(PoisonError::into_inner).push(head);
    // The other side may have closed the connection, which is not an error here.
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
}
