//! One HTTP stream: gather the facts, ask, apply the answer.

mod learning;
mod request;
mod response;
mod telling;

use std::rc::Rc;

use crate::affinity::Part;
use crate::backends::BackendId;
use crate::health::View;
use crate::host;
use crate::outcome::Outcome;
use crate::plugin::Plugin;
use crate::session::Millis;
use crate::token::NONCE_LEN;

/// How a stream goes on after a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Action {
    /// To the next filter.
    Continue = 0,
    /// Not: its answer is under way.
    Pause = 1,
}

/// A request that is under way, and all that its response needs to know of it.
pub struct Request {
    plugin: Rc<Plugin>,
    /// `None` where no service serves the route, and once the response is over.
    served: Option<Served>,
}

/// What is remembered of a request.
struct Served {
    service: usize,
    outcome: Outcome,
    /// When it came.
    at: Millis,
    /// Where the request went; `None` where it was rejected, or where the route names the cluster.
    backend: Option<BackendId>,
    /// What was known of backends then.
    view: Rc<View>,
    /// What the request is to a session.
    part: Part,
    /// Randomness for the token that the client is to be given, if it is.
    nonce: Option<[u8; NONCE_LEN]>,
    /// Whether it came over https, where that makes a difference.
    https: bool,
    /// The envelope that came, if one of ours did.
    envelope: Option<Envelope>,
}

/// An envelope as the client sent it, and the application's value in it.
struct Envelope {
    text: Vec<u8>,
    value: Vec<u8>,
}

/// The headers of a request are there. `keep` gets what is to be kept until its response comes, where there is
/// anything.
pub fn on_request_headers(plugin: &Rc<Plugin>, keep: impl FnOnce(Request)) -> Action {
    #[cfg(feature = "trap-for-tests")]
    if host::header(host::Headers::Request, "x-trap").is_some() {
        std::process::abort();
    }
    let request = |served| Request { plugin: Rc::clone(plugin), served };
    let services = &plugin.services;
    let route = if services.depend_on_route() { host::property("xds\0route_name") } else { None };
    let index = services.index_for(route.as_deref());
    if let Some(index) = index
        && let (Some(service), Some(view)) = (services.all().get(index), plugin.watch.view(index))
    {
        return request::serve(plugin, index, service, &view, |served| keep(request(Some(served))));
    }
    request::name_cluster(plugin, None);
    request::name_endpoint(plugin, None);
    if plugin.endpoint_header.is_some() {
        keep(request(None));
    }
    Action::Continue
}

impl Request {
    /// The headers of its response are there, so many of them.
    pub fn on_response_headers(mut self, count: usize) {
        if let Some(served) = self.served.take()
            && let Some(service) = self.plugin.services.all().get(served.service)
        {
            response::answer(&self.plugin, service, served, count);
        } else {
            response::hide_endpoint(&self.plugin);
        }
    }
}

/// A request that nobody answered counts too.
impl Drop for Request {
    fn drop(&mut self) {
        if let Some(served) = &self.served {
            self.plugin.count(served.service, served.outcome);
        }
    }
}
