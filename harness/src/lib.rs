//! Parts of tests and of the demo: real Envoy processes, pods and clients.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use harness::{client::Client, config::Bootstrap, envoy::Envoy, pod::Pod};
//!
//! let pod = Pod::start("neg-demo-0")?;
//! let config = Bootstrap::new()
//!     .cluster("neg-demo-0", &[pod.address()])
//!     .filter(&serde_json::json!({ "backends": ["neg-demo-0"] }))
//!     .build();
//! let envoy = Envoy::start(&config).await?;
//! let reply = Client::http1().fetch(&envoy.url(), &[]).await?;
//! assert_eq!(reply.pod, "neg-demo-0");
//! # Ok(()) }
//! ```

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]
#![allow(clippy::panic, reason = "tests may panic")]

pub mod client;
pub mod config;
pub mod dns;
pub mod envoy;
pub mod envoy_binary;
pub mod helm;
pub mod manifests;
mod module;
pub mod node_package;
pub mod packages;
pub mod pod;
pub mod progress;
pub mod python_package;
pub mod shipped;
mod statistics;
mod thread;
pub mod tool;
pub mod xds;

pub use module::{module_path, workspace_root};
pub use statistics::chi_squared;
