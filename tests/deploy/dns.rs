//! A DNS server for one name, whose addresses change: what a cluster's DNS says of a headless Service.

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
    answer: Arc<Mutex<Vec<Ipv4Addr>>>,
}

impl Dns {
    /// Starts it, with these addresses.
    pub fn start(addresses: &[SocketAddr]) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let dns = Self { address: socket.local_addr().unwrap(), answer: Arc::default() };
        dns.set(addresses);
        let answer = Arc::clone(&dns.answer);
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            loop {
                let (length, client) = socket.recv_from(&mut buffer).unwrap();
                let reply = reply(&buffer[..length], &answer.lock().unwrap());
                socket.send_to(&reply, client).unwrap();
            }
        });
        dns
    }

    /// From now on the name has these addresses, whose ports do not count.
    pub fn set(&self, addresses: &[SocketAddr]) {
        let addresses = addresses.iter().map(|address| match address {
            SocketAddr::V4(address) => *address.ip(),
            SocketAddr::V6(_) => panic!("not for IPv6"),
        });
        *self.answer.lock().unwrap() = addresses.collect();
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

fn reply(query: &[u8], addresses: &[Ipv4Addr]) -> Vec<u8> {
    let query = Packet::parse(query).unwrap();
    let mut reply = Packet::new_reply(query.id());
    reply.set_flags(PacketFlag::RECURSION_DESIRED | PacketFlag::RECURSION_AVAILABLE);
    for question in query.questions {
        if question.qtype == QTYPE::TYPE(TYPE::A) {
            for address in addresses {
                let record = RData::A(A::from(*address));
                reply.answers.push(ResourceRecord::new(question.qname.clone(), CLASS::IN, TTL, record));
            }
        }
        reply.questions.push(question);
    }
    reply.build_bytes_vec().unwrap()
}
