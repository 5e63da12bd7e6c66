//! `convert`: converts the manifests of a GKE Ingress or Gateway into an Envoy with the filter.
//!
//! A Deployment, a BackendConfig, a Service and an Ingress describe a load balancer: a table of hosts and paths, and
//! services with an affinity. `manifests` reads the files. `ingress` and `gateway` interpret them as GKE's controllers
//! do, and make a `balancer`: `gateway` finds the hosts of each `HTTPRoute`, and `http_route` converts its rules. The
//! template `envoy.yaml.jinja` writes the balancer as an Envoy configuration, and
//! `kubernetes.yaml.jinja` puts this configuration into manifests.

mod annotations;
mod backends;
mod balancer;
mod command;
mod configuration;
mod document;
mod filter_service;
mod gateway;
mod headers;
mod health;
mod http_route;
mod ingress;
#[allow(missing_docs, reason = "the fields are Kubernetes' and GKE's own, and documented there")]
mod manifests;
mod missing_pods;
pub mod options;
mod pods;
mod policies;
pub mod remarks;
mod route_filters;
mod route_match;
mod template;
mod url_map;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;

use self::balancer::Balancer;
pub use self::command::run;
use self::manifests::{Manifest, Manifests};
use self::options::{Options, To};
use self::remarks::{Remarks, argument, one_of};
use crate::source::{Place, Source};

/// The output.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// For standard output.
    pub text: String,
    /// Files of endpoints that the output refers to.
    pub files: Vec<EndpointFile>,
}

/// A file of endpoints.
#[derive(Clone, Debug)]
pub struct EndpointFile {
    path: PathBuf,
    contents: String,
    /// Whether it replaces an existing file. True if its endpoints were given.
    replaces: bool,
}

/// Converts manifests according to the options. Returns `None` if there are errors.
///
/// # Errors
/// If a template cannot be filled.
pub fn convert(sources: &[Arc<Source>], options: &Options, remarks: &mut Remarks) -> Result<Option<Output>> {
    let manifests = Manifests::read(sources, remarks);
    // Stops here, because an invalid manifest would only cause follow-up errors.
    if remarks.errors() > 0 {
        return Ok(None);
    }
    let Some(balancer) = balancer(&manifests, options, remarks).filter(|_| remarks.errors() == 0) else {
        return Ok(None);
    };
    let mut text = template::fill("envoy", balancer.configuration(remarks))?;
    if options.to == To::Kubernetes {
        text = template::fill("kubernetes", balancer.objects(&manifests, &text, remarks))?;
    }
    let mut files = Vec::new();
    for (path, replaces, values) in balancer.files(remarks) {
        let contents = template::fill("endpoints", values)?;
        files.push(EndpointFile { path: path.to_owned(), contents, replaces });
    }
    Ok((remarks.errors() == 0).then_some(Output { text, files }))
}

/// The load balancer of the Ingress or Gateway that the options choose.
fn balancer<'a>(
    manifests: &'a Manifests,
    options: &'a Options,
    remarks: &mut Remarks,
) -> Option<Balancer<'a>> {
    let Manifests { ingresses, gateways, .. } = manifests;
    let (wants_ingress, wants_gateway) = (options.ingress.is_some(), options.gateway.is_some());
    if !wants_ingress && (wants_gateway || ingresses.is_empty() && !gateways.is_empty()) {
        let gateway = chosen(gateways, options.gateway.as_deref(), "--gateway", "Gateway", remarks)?;
        return Some(gateway::balancer(gateway, manifests, options, remarks));
    }
    if let Some(gateway) = gateways.first().filter(|_| !wants_ingress && !ingresses.is_empty()) {
        let message = "both a Gateway and an Ingress: in GKE, each has a separate load balancer";
        remarks.error(gateway.place(), message, "choose one with --ingress or --gateway");
        return None;
    }
    let ingress = chosen(ingresses, options.ingress.as_deref(), "--ingress", "Ingress", remarks)?;
    Some(ingress::balancer(ingress, manifests, options, remarks))
}

/// The only manifest of a kind, or the manifest that an option names.
fn chosen<'a, S>(
    all: &'a [Manifest<S>],
    name: Option<&str>,
    option: &str,
    kind: &str,
    remarks: &mut Remarks,
) -> Option<&'a Manifest<S>> {
    let full = |one: &Manifest<S>| format!("{}/{}", one.namespace(), one.name());
    let is_named = |one: &&Manifest<S>| name.is_none_or(|name| one.name() == name || full(one) == name);
    let candidates: Vec<&Manifest<S>> = all.iter().filter(is_named).collect();
    let names = || all.iter().map(full).collect::<Vec<_>>().join(", ");
    match (&*candidates, name) {
        ([one], _) => return Some(one),
        ([], None) => {
            let message = format!("no {kind} among the manifests");
            remarks.error(Place::nowhere(), message, "add an Ingress or a Gateway");
        }
        ([], Some(name)) => {
            let message = format!("there is no {kind} {name}");
            remarks.error(argument(option, name), message, one_of(&all.iter().map(full).collect::<Vec<_>>()));
        }
        (several, _) => {
            for one in several.iter().skip(1) {
                let message = format!("a second {kind}: in GKE, each {kind} has a separate load balancer");
                remarks.error(one.place(), message, format!("choose one with {option}: {}", names()));
            }
        }
    }
    None
}
