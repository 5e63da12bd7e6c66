//! The configuration as a whole.

use serde::Deserialize;

use super::affinity::SessionAffinity;
use super::bounded::Bounded;
use super::detection::{HealthCheck, OutlierDetection};
use super::error::Problem;
use super::headers::{HeaderName, HeaderNames};
use super::keys::{self, KeyFields};
use super::path::FieldPath;
use super::service::{
    BackendEntry, OnUnavailableWord, Pin, RouteName, ServiceConfig, ServiceFields, ServiceName,
};
use super::text::Text;
use super::unique::duplicate;
use super::value::Value;
use super::{Config, Environment};

// The fields of the top level: those beside `services`, and those of a single service. The fields of a service are
// repeated here, because serde's `flatten` cannot be combined with `deny_unknown_fields`.
/// The plugin configuration of the session-affinity filter: `services` or the fields of a single service, and the
/// settings that all services share.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Document {
    /// Several services, each for its own routes. For a single service, write the service's fields at the top level
    /// instead.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    services: Option<Vec<ServiceFields>>,
    /// The request header into which the filter writes the backend's cluster. The routes name the same header in
    /// `cluster_header`. Default: `x-affinity-cluster`.
    cluster_header: Option<HeaderName>,
    /// The header in which the filter and Envoy's `stateful_session` filter exchange endpoints, for pins of endpoints.
    /// Default: `x-affinity-endpoint`.
    endpoint_header: Option<HeaderName>,
    /// A response header in which the filter sends the outcome, as `<outcome>; service=<service>`. Default: none.
    debug_header: Option<HeaderName>,
    /// Whether the access log can show the outcome, as `%FILTER_STATE(wasm.session_affinity_outcome:PLAIN)%`. Default:
    /// false.
    log_outcome: Option<bool>,
    /// Secrets that encrypt and authenticate tokens. The filter makes tokens with the first key and reads tokens of all
    /// keys. Without keys, clients can forge tokens.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    keys: Option<Vec<KeyFields>>,
    /// The name of the service in counters and logs. Default: `default`.
    name: Option<Text<ServiceName>>,
    /// The names of the Envoy routes that the service serves. Default: every route that no other service names.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    routes: Option<Vec<Text<RouteName>>>,
    /// What ties a request to a backend. Default: nothing, so the filter chooses the backend of each request by weight.
    session_affinity: Option<SessionAffinity>,
    /// The backends. Each one is an Envoy cluster.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    backends: Option<Vec<BackendEntry>>,
    /// What a session is tied to. Default: `CLUSTER`.
    pin: Option<Pin>,
    /// What happens to a session whose backend is gone or unavailable. Default: `REPIN`.
    on_unavailable: Option<OnUnavailableWord>,
    /// The status of responses with `REJECT`. Default: 503.
    reject_status: Option<Bounded<400, 599>>,
    /// Whether the clusters of the backends fail over to each other within a request. The metadata of each endpoint
    /// then names its backend, and the session moves to the backend that answered. Default: false.
    failover: Option<bool>,
    /// Which failing responses make a backend unavailable, and for how long.
    outlier_detection: Option<OutlierDetection>,
    /// Active health checks of the backends. Default: none.
    health_check: Option<HealthCheck>,
}

impl Document {
    /// Reads the document. Checks each field by itself.
    pub(crate) fn read(value: &Value) -> Result<Self, Problem> {
        let problem = match Self::deserialize(value) {
            Ok(document) => return Ok(document),
            Err(problem) => problem,
        };
        // serde does not know which values a missing field may have. Reading `null` in its place gives an error with
        // these values.
        let Some((object, field)) = problem.missing_field().cloned().and_then(FieldPath::split_field) else {
            return Err(problem);
        };
        let mut with_null = value.clone();
        if let Some(fields) = with_null.fields_at(&object) {
            fields.push((field, Value::Null));
        }
        Err(match Self::deserialize(&with_null) {
            Err(of_null) => problem.allowing_as(of_null),
            Ok(_) => problem,
        })
    }

    /// The configuration, with defaults for missing fields, if the combination of the fields is valid.
    pub(crate) fn into_config(self, environment: Environment<'_>) -> Result<Config, Problem> {
        let header_names = HeaderNames::new(self.cluster_header, self.endpoint_header, self.debug_header)?;
        let keys = match self.keys {
            Some(keys) => keys::read(keys, environment).map_err(|problem| problem.within("keys"))?,
            None => Vec::new(),
        };
        let single = ServiceFields {
            name: self.name,
            routes: self.routes,
            session_affinity: self.session_affinity,
            backends: self.backends,
            pin: self.pin,
            on_unavailable: self.on_unavailable,
            reject_status: self.reject_status,
            failover: self.failover,
            outlier_detection: self.outlier_detection,
            health_check: self.health_check,
        };
        let services = match self.services {
            Some(services) => {
                if let Some(field) = single.first_field() {
                    let allowed = "services, or the fields of a single service";
                    return Err(Problem::new("given beside services", allowed).within(field));
                }
                read_services(services, &header_names, !keys.is_empty())
                    .map_err(|problem| problem.within("services"))?
            }
            None => vec![single.into_service(&header_names, !keys.is_empty())?],
        };
        Ok(Config {
            cluster_header: header_names.cluster.into_string(),
            endpoint_header: header_names.endpoint.into_string(),
            debug_header: header_names.debug.map(HeaderName::into_string),
            log_outcome: self.log_outcome.unwrap_or_default(),
            keys,
            services,
        })
    }
}

fn read_services(
    services: Vec<ServiceFields>,
    header_names: &HeaderNames,
    has_keys: bool,
) -> Result<Vec<ServiceConfig>, Problem> {
    if services.is_empty() {
        return Err(Problem::new("empty", "at least one service"));
    }
    let read = |(index, service): (usize, ServiceFields)| {
        service.into_service(header_names, has_keys).map_err(|problem| problem.within(index))
    };
    let services = services.into_iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
    check_across(&services)?;
    Ok(services)
}

/// Checks the rules that concern several services.
fn check_across(services: &[ServiceConfig]) -> Result<(), Problem> {
    let each = || services.iter().enumerate();
    let path = |index: usize| FieldPath::default().then(index);

    let names: Vec<_> = services.iter().map(|service| service.name.as_str()).collect();
    if let Some((first, second)) = duplicate(&names) {
        let path = |index| path(index).then("name");
        let name = names.get(second).copied().unwrap_or_default();
        return Err(Problem::duplicate(path(first), path(second), "a unique name").given(name));
    }

    let cookies = each()
        .filter_map(|(index, service)| Some((index, service.affinity.generated_cookie()?.name.as_str())));
    let (indices, names): (Vec<_>, Vec<_>) = cookies.unzip();
    if let Some((first, second)) = duplicate(&names) {
        let service = |cookie: usize| indices.get(cookie).copied().unwrap_or_default();
        let path = |cookie| path(service(cookie)).then("sessionAffinity").then("cookie").then("name");
        let allowed = "a unique name: cookies with the same name overwrite each other in a browser";
        let name = names.get(second).copied().unwrap_or_default();
        return Err(Problem::duplicate(path(first), path(second), allowed).given(name));
    }

    let envelopes = each().filter_map(|(index, service)| Some((index, service.affinity.envelope_cookie()?)));
    for (envelope, name) in envelopes {
        let makes_it = |service: &ServiceConfig| {
            service.affinity.generated_cookie().is_some_and(|cookie| cookie.name == name)
        };
        if let Some((other, _)) = each().find(|(_, service)| makes_it(service)) {
            let path = |index| path(index).then("sessionAffinity").then("cookie").then("name");
            let allowed = "a name that no application's session cookie has";
            return Err(Problem::duplicate(path(envelope), path(other), allowed).given(name));
        }
    }

    let routes = each().flat_map(|(index, service)| {
        let routes = service.routes.iter().flatten().enumerate();
        routes.map(move |(route, name)| ((index, route), name.as_str()))
    });
    let (indices, names): (Vec<_>, Vec<_>) = routes.unzip();
    if let Some((first, second)) = duplicate(&names) {
        let path = |route: usize| {
            let (service, route) = indices.get(route).copied().unwrap_or_default();
            path(service).then("routes").then(route)
        };
        return Err(Problem::duplicate(path(first), path(second), "each route in one service"));
    }

    let mut without_routes = each().filter(|(_, service)| service.routes.is_none());
    if let (Some((first, _)), Some((second, _))) = (without_routes.next(), without_routes.next()) {
        let first = FieldPath::default().then("services").then(first).then("routes");
        let wrong = format!("missing, and {first} is missing too");
        let problem = Problem::new(wrong, "at most one service without routes");
        return Err(problem.within("routes").within(second));
    }
    Ok(())
}
