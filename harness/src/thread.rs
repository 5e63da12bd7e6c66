//! A server on a separate thread and runtime, so that stopping the server closes all its sockets.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Serves until it is dropped. When the drop returns, its listener and all its connections are closed. Aborting the
/// server would not be enough, because the tasks that it spawned would go on.
#[derive(Debug)]
pub(crate) struct ServerThread {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    runtime: Handle,
    /// Dropping the sender ends the freeze.
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

    /// Freezes the server. The system still accepts connections and bytes, but the server does nothing, like a process
    /// after SIGSTOP. Returns when the server is frozen.
    pub(crate) fn freeze(&self) {
        let (thaw, thawed) = mpsc::channel();
        let (frozen, is_frozen) = mpsc::channel();
        self.runtime.spawn(async move {
            // This blocks the only thread on purpose. Both channels fail only if the other side is dropped.
            let _ = frozen.send(());
            let _ = thawed.recv();
        });
        let _ = is_frozen.recv();
        *self.thaw.lock().unwrap_or_else(PoisonError::into_inner) = Some(thaw);
    }

    /// Ends the freeze. The server continues.
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
            // The test notices a panic in a handler by the missing response. Dropping must not panic again.
            let _ = thread.join();
        }
    }
}
