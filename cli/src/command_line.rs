//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::convert::options::From;

/// The command-line tool beside the session-affinity filter for Envoy.
#[derive(Debug, Parser)]
#[command(name = "session-affinity", version, arg_required_else_help = true)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Checks Envoy configurations that have the filter, and says what to write.
    #[command(long_about = CHECK_ABOUT, after_long_help = CHECK_EXAMPLES)]
    Check(Check),
    /// Turns the configuration of another balancer into a running one.
    #[command(subcommand)]
    Convert(From),
    /// Prints the JSON Schema (2020-12) of the plugin configuration, for editors.
    #[command(long_about = SCHEMA_ABOUT)]
    Schema,
}

/// The arguments of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Envoy's bootstrap, files of listeners, routes, clusters or filters beside it, or Kubernetes manifests. `-` is
    /// standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How to print what is found.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How diagnostics are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: the line in question, and what to write.
    Text,
    /// For machines: an object in each line, with level, file, line, column, field, message and help.
    Json,
}

const CHECK_ABOUT: &str = "\
Checks Envoy configurations that have the filter, and says what to write.

Reads YAML and JSON: the bootstrap of an Envoy, and resources of LDS, RDS, CDS and ECDS. Files that the given files \
name (`path_config_source`) are read too, from the working directory or from the directory of the file that names them. \
In Kubernetes manifests, `check` reads the Envoy configurations in a ConfigMap, WasmPlugin, EnvoyFilter, \
EnvoyExtensionPolicy and EnvoyPatchPolicy.

An error is something that does not work, a warning something that works otherwise than you may think. What only a \
server knows (clusters or routes that Envoy gets over gRPC or REST) is not checked. `check` says nothing about Envoy's \
own fields: `envoy --mode validate` does.";

const CHECK_EXAMPLES: &str = "\
Examples:
  session-affinity check envoy.yaml
  session-affinity check bootstrap.yaml clusters.yaml filter.yaml
  session-affinity check deploy/kubernetes/*.yaml
  session-affinity check --format json envoy.yaml | jq -r 'select(.level == \"error\") | .message'
  helm template my-chart | session-affinity check -

Exit codes:
  0  no error was found; there may be warnings
  1  an error was found
  2  wrong usage, or a file that cannot be read";

const SCHEMA_ABOUT: &str = "\
Prints the JSON Schema (2020-12) of the plugin configuration, for editors.

An editor that knows the schema completes names, shows what they mean, and marks what is wrong by itself. These rules \
need more than one field or more than JSON, and the schema does not have them; `session-affinity check` and the filter \
itself do:

- names that must differ: of services, routes, clusters, keys, headers, and of the cookies of two services
- at most one service without `routes`
- at least one backend with a weight above 0
- what goes with which `affinityType`, `pin` and `onUnavailable`, and that `pin: ENDPOINT` needs `keys`
- what browsers ask of a cookie: `secure: ALWAYS` with `sameSite: NONE`, `partitioned`, `__Host-` and `__Secure-`
- `timeoutSec` at most `checkIntervalSec`
- that the secret of a key is base64 of at least 32 bytes, and that its variable is set
- that no field stands twice";
