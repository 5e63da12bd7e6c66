//! A DNS server whose addresses change, as those of headless Services in a Kubernetes cluster do.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, PacketFlag, QTYPE, ResourceRecord, TYPE};

/// The TTL of responses in seconds: 30, as of `CoreDNS` in Kubernetes.
const TTL: u32 = 30;

/// A DNS server on 127.0.0.1. It serves until the process ends.
#[derive(Debug)]
pub struct Dns {
    address: SocketAddr,
    answers: Arc<Mutex<Answers>>,
}

/// The addresses of the names.
#[derive(Debug, Default)]
struct Answers {
    names: BTreeMap<String, Vec<Ipv4Addr>>,
    others: Vec<Ipv4Addr>,
}

impl Dns {
    /// Starts the server. Initially every name has these addresses.
    ///
    /// # Panics
    /// If the system has no port left.
    #[must_use]
    pub fn start(addresses: &[SocketAddr]) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
        let dns = Self { address: socket.local_addr().expect("a bound socket"), answers: Arc::default() };
        dns.set(addresses);
        let answers = Arc::clone(&dns.answers);
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            loop {
                let (length, client) = socket.recv_from(&mut buffer).expect("a query");
                let reply = reply(&buffer[..length], &answers.lock().unwrap_or_else(PoisonError::into_inner));
                socket.send_to(&reply, client).expect("a client");
            }
        });
        dns
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the addresses of every name without its own addresses. Ports are ignored.
    pub fn set(&self, addresses: &[SocketAddr]) {
        self.answers().others = ips(addresses);
    }

    /// Sets the addresses of this name. Ports are ignored.
    pub fn set_name(&self, name: &str, addresses: &[SocketAddr]) {
        self.answers().names.insert(name.to_owned(), ips(addresses));
    }

    /// A cluster's `typed_dns_resolver_config` that asks this server.
    #[must_use]
    pub fn resolver(&self) -> Value {
        json!({
            "name": "envoy.network.dns_resolver.cares",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
                "resolvers": [crate::config::socket_address(self.address)],
                "dns_resolver_options": { "no_default_search_domain": true },
            },
        })
    }
}

fn ips(addresses: &[SocketAddr]) -> Vec<Ipv4Addr> {
    let ip = |address: &SocketAddr| match address {
        SocketAddr::V4(address) => *address.ip(),
        SocketAddr::V6(_) => panic!("not for IPv6"),
    };
    addresses.iter().map(ip).collect()
}

fn reply(query: &[u8], answers: &Answers) -> Vec<u8> {
    let query = Packet::parse(query).expect("a query of Envoy");
    let mut reply = Packet::new_reply(query.id());
    reply.set_flags(PacketFlag::RECURSION_DESIRED | PacketFlag::RECURSION_AVAILABLE);
    for question in query.questions {
        if question.qtype == QTYPE::TYPE(TYPE::A) {
            for address in answers.names.get(&question.qname.to_string()).unwrap_or(&answers.others) {
                let record = RData::A(A::from(*address));
                reply.answers.push(ResourceRecord::new(question.qname.clone(), CLASS::IN, TTL, record));
            }
        }
        reply.questions.push(question);
    }
    reply.build_bytes_vec().expect("a reply")
}
