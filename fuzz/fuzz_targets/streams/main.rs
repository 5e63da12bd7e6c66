//! Whole streams: requests, responses, ticks, probes and configuration updates, in any order and with any bytes, on the
//! whole filter with a simulated host.

#![no_main]

mod configurations;
mod headers;
mod host;
mod plugin;

use std::collections::BTreeSet;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
// The filter calls these functions by their names in the ABI.
use session_affinity as _;

use configurations::{CASES, Case};
use headers::{Lines, values};
use plugin::Plugin;

/// A moment in 2023.
const NOW: u64 = 1_700_000_000_000;
const CLUSTER_HEADER: &str = "x-affinity-cluster";
const ENDPOINT_HEADER: &str = "x-affinity-endpoint";

/// An event of one plugin.
#[derive(Arbitrary, Debug)]
struct Input<'a> {
    case: u8,
    steps: Vec<Step<'a>>,
}

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    /// A request. `keeps`: the client sends back the cookies and headers of earlier responses.
    Request { route: u8, keeps: bool, headers: Vec<Header<'a>>, address: &'a [u8] },
    /// The oldest open stream gets its response.
    Response { details: u8, endpoint: Option<u8>, elsewhere: u8, headers: Vec<Header<'a>> },
    /// The oldest open stream ends.
    End,
    /// Time passes.
    Tick { tenths: u16 },
    /// A probe gets a response; without a status, the probe fails.
    Answer { status: Option<u16> },
    /// Another worker writes bytes into the shared data.
    Shared { which: u8, bytes: &'a [u8] },
    /// The configuration is replaced.
    Configure { case: u8 },
}

#[derive(Arbitrary, Debug)]
struct Header<'a> {
    name: u8,
    value: &'a [u8],
}

const REQUEST_HEADERS: [&str; 10] = [
    "cookie",
    "x-session",
    CLUSTER_HEADER,
    ENDPOINT_HEADER,
    ":path",
    ":scheme",
    ":method",
    "x-debug",
    "access-control-request-method",
    "cookie",
];
const RESPONSE_HEADERS: [&str; 10] = [
    "set-cookie",
    "x-session",
    ":status",
    "cache-control",
    "content-type",
    "grpc-status",
    ENDPOINT_HEADER,
    "surrogate-control",
    "x-debug",
    "set-cookie",
];
const DETAILS: [&str; 7] = [
    "via_upstream",
    "via_upstream",
    "upstream_reset_before_response_started{remote_connection_failure}",
    "no_healthy_upstream",
    "response_timeout",
    "cluster_not_found",
    "overflow",
];
const ROUTES: [&str; 4] = ["one", "two", "three", ""];

/// The bytes that Envoy allows in a header.
fn lines(names: [&str; 10], headers: &[Header<'_>]) -> Lines {
    let line = |Header { name, value }: &Header<'_>| {
        let value = value.iter().copied().filter(|byte| !matches!(byte, 0 | b'\r' | b'\n')).collect();
        (names[usize::from(*name) % names.len()].to_owned(), value)
    };
    headers.iter().map(line).collect()
}

/// One plugin, its client, and the expected state of both.
struct Run {
    case: &'static Case,
    plugin: Plugin,
    open: Vec<u32>,
    /// The values that the client received: cookies and the header `x-session`.
    told: Lines,
    /// The endpoints that Envoy reported, as they appear in the header.
    endpoints: BTreeSet<Vec<u8>>,
}

impl Run {
    fn step(&mut self, step: Step<'_>) {
        match step {
            Step::Request { route, keeps, headers, address } => {
                let mut request = lines(REQUEST_HEADERS, &headers);
                request.extend(self.told.iter().filter(|_| keeps).cloned());
                host::with(|world| {
                    let route = ROUTES[usize::from(route) % ROUTES.len()];
                    world.properties.insert("xds.route_name".to_owned(), route.into());
                    world.properties.insert("source.address".to_owned(), address.to_vec());
                });
                self.request(request);
            }
            Step::Response { details, endpoint, elsewhere, headers } => {
                host::with(|world| {
                    let details = DETAILS[usize::from(details) % DETAILS.len()];
                    world.properties.insert("response.code_details".to_owned(), details.into());
                    let backend = ["a", "b", "c", "gone"][usize::from(elsewhere) % 4];
                    let path = "xds.upstream_host_metadata.filter_metadata.session_affinity.backend";
                    world.properties.insert(path.to_owned(), backend.into());
                });
                self.response(lines(RESPONSE_HEADERS, &headers), endpoint);
            }
            Step::End if !self.open.is_empty() => self.plugin.end(self.open.remove(0)),
            Step::End => {}
            Step::Tick { tenths } => {
                host::with(|world| world.now += u64::from(tenths) * 100);
                self.plugin.tick();
            }
            Step::Answer { status } => {
                let Some(token) = host::with(|world| {
                    let line = |status: u16| (":status".to_owned(), status.to_string().into_bytes());
                    world.call_response = status.map(line).into_iter().collect();
                    world.calls.pop()
                }) else {
                    return;
                };
                self.plugin.answer(token);
            }
            Step::Shared { which, bytes } => host::with(|world| {
                let count = world.shared.len().max(1);
                if let Some((value, version)) = world.shared.values_mut().nth(usize::from(which) % count) {
                    *value = bytes.to_vec();
                    *version += 1;
                }
            }),
            Step::Configure { case } => {
                self.case = &CASES[usize::from(case) % CASES.len()];
                assert!(self.plugin.configure(self.case.configuration));
                // Streams of the old configuration continue, but different properties apply to them.
                for stream in self.open.drain(..) {
                    self.plugin.end(stream);
                }
            }
        }
    }

    fn request(&mut self, sent: Lines) {
        host::with(|world| {
            world.request.clone_from(&sent);
            world.local_response = None;
        });
        let (stream, goes_on) = self.plugin.request();
        self.open.push(stream);
        let (request, answered) = host::with(|world| (world.request.clone(), world.local_response));
        assert_eq!(goes_on, answered.is_none(), "a request goes on, or is answered");
        if !goes_on {
            return;
        }
        let clusters: Vec<&[u8]> = values(&request, CLUSTER_HEADER).collect();
        let is_backend = |cluster: &[u8]| [b"a", b"b", b"c"].iter().any(|backend| cluster == *backend);
        if self.case.names_cluster {
            assert_eq!(clusters.len(), 1, "one cluster, and none of the client's");
        }
        assert!(clusters.len() <= 1 && clusters.iter().all(|cluster| is_backend(cluster)), "{clusters:?}");
        if self.case.pins_endpoints {
            let named: Vec<&[u8]> = values(&request, ENDPOINT_HEADER).collect();
            let is_known = |endpoint: &&[u8]| self.endpoints.contains(*endpoint);
            assert!(named.len() <= 1 && named.iter().all(is_known), "an endpoint that the client made up");
        }
        let others = |lines: &Lines| {
            let pairs = values(lines, "cookie").flat_map(|line| line.split(|byte| *byte == b';'));
            let name = self.case.wrapped.unwrap_or_default().as_bytes();
            let is_other = |pair: &&[u8]| {
                let rest = pair.strip_prefix(name).map(<[u8]>::trim_ascii_start);
                !pair.is_empty() && (name.is_empty() || rest.is_none_or(|rest| !rest.starts_with(b"=")))
            };
            pairs.map(<[u8]>::trim_ascii).filter(is_other).map(<[u8]>::to_vec).collect::<Vec<_>>()
        };
        assert_eq!(others(&sent), others(&request), "other cookies stay as they are");
    }

    fn response(&mut self, sent: Lines, endpoint: Option<u8>) {
        if self.open.is_empty() {
            return;
        }
        let stream = self.open.remove(0);
        let mut response = sent.clone();
        host::with(|world| {
            let cluster = values(&world.request, CLUSTER_HEADER).next().unwrap_or_default().to_vec();
            world.properties.insert("xds.cluster_name".to_owned(), cluster);
            world.properties.remove("upstream.address");
            if let Some(endpoint) = endpoint {
                let endpoint = endpoint % 8;
                let address = format!("10.0.0.{endpoint}:80").into_bytes();
                world.properties.insert("upstream.address".to_owned(), address);
                // The address in base64.
                let named = format!(
                    "MTAuMC4wLj{}6ODA=",
                    ["A", "E", "I", "M", "Q", "U", "Y", "c"][usize::from(endpoint)]
                );
                let named = named.into_bytes();
                self.endpoints.insert(named.clone());
                response.retain(|(name, _)| name != ENDPOINT_HEADER);
                response.push((ENDPOINT_HEADER.to_owned(), named));
            }
            world.response.clone_from(&response);
        });
        self.plugin.response(stream);
        self.plugin.end(stream);
        let received = host::with(|world| world.response.clone());
        if self.case.pins_endpoints {
            assert_eq!(values(&received, ENDPOINT_HEADER).count(), 0, "no client learns an endpoint");
        }
        self.check_set_cookie(&sent, &received);
        let session = values(&received, "x-session").last().map(<[u8]>::to_vec);
        self.told.extend(session.map(|value| ("x-session".to_owned(), value)));
        for line in values(&received, "set-cookie") {
            let pair = line.split(|byte| *byte == b';').next().unwrap_or_default();
            self.told.push(("cookie".to_owned(), pair.to_vec()));
        }
        let surplus = self.told.len().saturating_sub(8);
        self.told.drain(..surplus);
    }

    /// The application's own lines are present, in order. Only the value of the wrapped cookie differs.
    fn check_set_cookie(&self, sent: &Lines, received: &Lines) {
        let mut received = values(received, "set-cookie");
        for line in values(sent, "set-cookie") {
            let after = received.next().expect("no line is lost");
            if after != line {
                let name = self.case.wrapped.expect("no line changes");
                assert!(
                    line.trim_ascii_start().starts_with(name.as_bytes()),
                    "the application's line changes"
                );
                let attributes =
                    |line: &[u8]| line.splitn(2, |byte| *byte == b';').nth(1).map(<[u8]>::to_vec);
                assert_eq!(attributes(line), attributes(after));
            }
        }
        assert!(received.count() <= 1, "one cookie of ours at most");
    }
}

fuzz_target!(|input: Input<'_>| {
    host::reset(NOW);
    let case = &CASES[usize::from(input.case) % CASES.len()];
    let plugin = Plugin::start(case.configuration);
    let mut run = Run { case, plugin, open: Vec::new(), told: Vec::new(), endpoints: BTreeSet::new() };
    for step in input.steps {
        run.step(step);
    }
    let shows_secret = |line: &String| line.contains("IDMyIGJ5dGVz");
    assert!(!host::with(|world| world.log.iter().any(shows_secret)));
});
