//! A DNS server whose addresses change: what a cluster's DNS says of headless Services.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, PacketFlag, QTYPE, ResourceRecord, TYPE};

/// How long an answer may be kept: `CoreDNS` in Kubernetes says 30 seconds.
const TTL: u32 = 30;

/// It serves for as long as the process lives.
pub struct Dns {
    address: SocketAddr,
    answers: Arc<Mutex<Answers>>,
}

/// What the names stand for.
#[derive(Default)]
struct Answers {
    names: BTreeMap<String, Vec<Ipv4Addr>>,
    others: Vec<Ipv4Addr>,
}

impl Dns {
    /// Starts it. Every name has these addresses.
    pub fn start(addresses: &[SocketAddr]) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let dns = Self { address: socket.local_addr().unwrap(), answers: Arc::default() };
        dns.set(addresses);
        let answers = Arc::clone(&dns.answers);
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            loop {
                let (length, client) = socket.recv_from(&mut buffer).unwrap();
                let reply = reply(&buffer[..length], &answers.lock().unwrap());
                socket.send_to(&reply, client).unwrap();
            }
        });
        dns
    }

    /// From now on every name that has no addresses of its own has these, whose ports do not count.
    pub fn set(&self, addresses: &[SocketAddr]) {
        self.answers.lock().unwrap().others = ips(addresses);
    }

    /// From now on this name has these addresses, whose ports do not count.
    pub fn set_name(&self, name: &str, addresses: &[SocketAddr]) {
        self.answers.lock().unwrap().names.insert(name.to_owned(), ips(addresses));
    }

    /// A cluster's `typed_dns_resolver_config` that asks this server.
    pub fn resolver(&self) -> Value {
        json!({
            "name": "envoy.network.dns_resolver.cares",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
                "resolvers": [harness::config::socket_address(self.address)],
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
    let query = Packet::parse(query).unwrap();
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
    reply.build_bytes_vec().unwrap()
}
