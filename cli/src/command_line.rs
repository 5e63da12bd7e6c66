//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::convert::options::ConvertCommand;

/// The command-line tool of the session-affinity filter for Envoy.
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
    /// Checks Envoy configurations with the filter, and tells what to write instead.
    #[command(long_about = CHECK_ABOUT, after_long_help = CHECK_EXAMPLES)]
    Check(Check),
    /// Converts the configuration of another load balancer.
    #[command(subcommand)]
    Convert(Box<ConvertCommand>),
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
    /// How to print the diagnostics.
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
Checks Envoy configurations with the filter, and tells what to write instead.

Reads YAML and JSON: the bootstrap of an Envoy, and resources of LDS, RDS, CDS and ECDS. Files that the
given files name (`path_config_source`) are read too, from the working directory or from the directory of
the file that names them. Of Kubernetes manifests, `check` reads the Envoy configurations in a ConfigMap
or in the stringData of a Secret, and WasmPlugin, EnvoyFilter, EnvoyExtensionPolicy and EnvoyPatchPolicy.

An error is something that does not work. A warning is something that may not work as you expect, or tells
that something is not checked, for example because no file has a session-affinity filter.

Clusters and routes that Envoy gets from a server (over gRPC or REST) are not checked. `check` does not
replace Envoy's own checks: use `envoy --mode validate` as well.

To accept a warning, write the comment `# check: accepted` and your reason on the marked line, or directly
above. `check` then leaves the warning out. The comment has no effect on Envoy.";

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
  2  wrong usage, or a file that cannot be read or written";

const SCHEMA_ABOUT: &str = "\
Prints the JSON Schema (2020-12) of the plugin configuration, for editors.

With the schema, an editor completes names, shows their meaning, and marks errors.
Some rules need more than one field, or more than JSON. The schema does not have these rules.
`session-affinity check` and the filter itself check them:

- names that must differ: of services, routes, clusters, keys and headers, and of the cookies of two services
- at most one service without `routes`, and no field of a single service beside `services`
- which fields an `affinityType`, `pin` or `onUnavailable` needs, and which fields have no effect with it
- at least one backend with a weight above 0
- a key with either `env` or `secret`, and what the variable in `env` holds
- what browsers ask of cookies: `secure: ALWAYS` with `sameSite: NONE`, `partitioned`, `__Host-` and `__Secure-`
- `timeoutSec` at most `checkIntervalSec`
- no field twice";
