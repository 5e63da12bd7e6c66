//! A server on a thread and runtime of its own, so that stopping it closes every socket it holds.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Serves until it is dropped; then its listener and all its connections are closed, for certain, when the
/// drop returns. (Tasks that a server spawns outlive a server that is only aborted.)
#[derive(Debug)]
pub(crate) struct ServerThread {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    runtime: Handle,
    /// Ends the freeze when it is dropped.
    thaw: Mutex<Option<mpsc::Sender<()>>>,
}

impl ServerThread {
    pub(crate) fn start<Serve, Serving>(address: SocketAddr, serve: Serve) -> io::Result<Self>
    where
        Serve: FnOnce(tokio::net::TcpListener) -> Serving + Send + 'static,
        Serving: Future<Output = ()>,
    {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name(format!("pod {address}")).spawn(move || {
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a bound listener");
                tokio::select! {
                    () = serve(listener) => {}
                    _ = stopped => {}
                }
            });
            drop(runtime);
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread), runtime: handle, thaw: Mutex::new(None) })
    }

    /// From now on the system still takes connections and bytes, but the server does nothing: as a process that
    /// was sent SIGSTOP. Returns when that is so.
    pub(crate) fn freeze(&self) {
        let (thaw, thawed) = mpsc::channel();
        let (frozen, is_frozen) = mpsc::channel();
        self.runtime.spawn(async move {
            // This blocks the one thread on purpose. Both channels fail only where the other side is gone.
            let _ = frozen.send(());
            let _ = thawed.recv();
        });
        let _ = is_frozen.recv();
        *self.thaw.lock().unwrap_or_else(PoisonError::into_inner) = Some(thaw);
    }

    /// The server goes on where it was frozen.
    pub(crate) fn thaw(&self) {
        *self.thaw.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thaw();
        if let Some(thread) = self.thread.take() {
            // A panic in a handler is the test's to notice by its answer; dropping must not panic again.
            let _ = thread.join();
        }
    }
}
