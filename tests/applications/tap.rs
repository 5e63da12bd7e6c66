//! The exact bytes between Envoy and an instance.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A TCP proxy in front of an instance that forwards and records all bytes.
pub struct Tap {
    address: SocketAddr,
    accepting: JoinHandle<()>,
    requests: Streams,
    responses: Streams,
}

/// The bytes of each connection in one direction.
#[derive(Clone, Default)]
struct Streams(Arc<Mutex<Vec<Vec<u8>>>>);

impl Tap {
    /// A proxy on 127.0.0.1, at a port that the system chooses. It ends with the test's runtime.
    pub async fn start(instance: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, responses) = (Streams::default(), Streams::default());
        let kept = (requests.clone(), responses.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(instance).await else { continue };
                let (near_read, near_write) = near.into_split();
                let (far_read, far_write) = far.into_split();
                tokio::spawn(kept.0.clone().pass_on(near_read, far_write));
                tokio::spawn(kept.1.clone().pass_on(far_read, near_write));
            }
        });
        Self { address, accepting, requests, responses }
    }

    /// The address at which Envoy reaches the instance.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The values of this header in all requests to the instance.
    pub fn requests(&self, header: &str) -> Vec<String> {
        self.requests.headers(header)
    }

    /// The values of this header in all responses of the instance.
    pub fn responses(&self, header: &str) -> Vec<String> {
        self.responses.headers(header)
    }

    /// Refuses connections from now on, like the address of a dead process.
    pub async fn close(&mut self) {
        self.accepting.abort();
        // Always an error: the task is cancelled.
        let _ = (&mut self.accepting).await;
    }

    /// Clears the recorded requests and responses.
    pub fn clear(&self) {
        for streams in [&self.requests, &self.responses] {
            streams.0.lock().unwrap().iter_mut().for_each(Vec::clear);
        }
    }
}

impl Streams {
    async fn pass_on(self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let index = {
            let mut streams = self.0.lock().unwrap();
            streams.push(Vec::new());
            streams.len() - 1
        };
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            self.0.lock().unwrap()[index].extend(&buffer[..count]);
            if to.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
        // Fails only if the other side has closed the connection.
        let _ = to.shutdown().await;
    }

    /// The values of all lines that begin with this header's name. The applications of these tests send such lines only
    /// as header lines.
    fn headers(&self, name: &str) -> Vec<String> {
        let streams = self.0.lock().unwrap();
        let text = streams
            .iter()
            .map(|bytes| String::from_utf8(bytes.clone()).expect("applications that speak UTF-8"));
        let lines: Vec<String> =
            text.flat_map(|text| text.split("\r\n").map(str::to_owned).collect::<Vec<_>>()).collect();
        let values = lines.iter().filter_map(|line| {
            let (given, value) = line.split_once(':')?;
            // Spaces around a value are not part of it. (Django writes two.)
            given.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        });
        values.collect()
    }
}
