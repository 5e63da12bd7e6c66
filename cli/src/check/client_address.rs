//! The address of the client: whether clients can choose it.

use session_affinity::config::Config;

use super::envoy::Envoy;
use super::plugin::Plugin;
use super::report::Report;

/// Connection manager fields that say where Envoy takes the client's address from.
const SOURCES: [&str; 2] = ["use_remote_address", "original_ip_detection_extensions"];

/// Reports connection managers that take the client's address from a header by default, if a service uses the address.
///
/// See <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-for>.
pub fn check(envoy: &Envoy<'_>, plugin: &Plugin<'_>, config: &Config, report: &mut Report) {
    let Some(service) = config.services.iter().find(|service| service.uses_client_address()) else { return };
    for (manager, _) in envoy.managers_of(plugin) {
        if SOURCES.iter().any(|field| manager.at.get(field).is_some()) {
            continue;
        }
        let message = format!(
            "clients can choose their backend with a header `X-Forwarded-For`: the service `{}` uses the client's \
             address, and Envoy takes this address from the header",
            service.name
        );
        let help = "write `use_remote_address: true` in the connection manager, or `use_remote_address: false` if only \
                    proxies that you trust connect to this Envoy";
        report.warning(manager.at.get("stat_prefix").unwrap_or(manager.at), message, help);
    }
}
