//! The responses that users got, and what they show about the sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding as _};

/// One request and its result. Times count from the beginning of the load.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The user of the request.
    pub user: usize,
    /// The round. Requests of one round are sent at the same time. The next round begins when all have responses.
    pub round: u32,
    /// Whether the request is a POST; otherwise it is a GET.
    pub post: bool,
    /// When the request was sent.
    pub sent: Duration,
    /// When the response was complete.
    pub done: Duration,
    /// The status, or 0 if there was no response.
    pub status: u16,
    /// The outcome that the filter reports.
    pub outcome: String,
    /// The body: the name of the pod, or Envoy's own text.
    pub body: String,
    /// The cookie of the request; in a [`Record`], the backend that its token names.
    pub with: Option<String>,
    /// The cookie of the response; in a [`Record`], the backend that its token names.
    pub told: Option<String>,
    /// The client's error if it got no response.
    pub broken: Option<String>,
}

impl Answer {
    /// Whether the user got the requested response.
    pub fn is_good(&self) -> bool {
        self.status == 200 && self.broken.is_none()
    }

    /// Whether Envoy reports that a backend had received the failed request.
    pub fn had_been_sent(&self) -> bool {
        (self.status == 503 && self.body.ends_with("reset reason: connection termination"))
            || (self.status == 504 && self.body == "upstream request timeout")
    }

    /// Whether the response comes from a backend other than the session's, without a move of the session.
    pub fn strayed(&self) -> bool {
        let home = self.told.as_ref().or(self.with.as_ref());
        self.is_good() && home.is_some_and(|home| *home != self.body)
    }
}

/// Responses in the order of their arrival.
pub struct Record(Vec<Answer>);

/// A move: a response sets a token for a backend that its request did not name.
#[derive(Debug)]
pub struct Move {
    /// The round. All requests of a round name the same backend. If their responses name several other backends, each
    /// one is a move.
    pub round: u32,
    /// The backend that the requests of that round named.
    pub from: String,
    /// The backend that the response names.
    pub to: String,
    /// When the first request of the round was sent.
    pub sent: Duration,
    /// When the response arrived.
    pub done: Duration,
}

impl Record {
    /// A record of these responses.
    pub fn new(mut answers: Vec<Answer>) -> Self {
        for answer in &mut answers {
            for cookie in [&mut answer.with, &mut answer.told] {
                *cookie = cookie.as_ref().map(|cookie| backend_of(cookie));
            }
        }
        answers.sort_by_key(|answer| answer.done);
        Self(answers)
    }

    /// All responses.
    pub fn answers(&self) -> &[Answer] {
        &self.0
    }

    /// The responses that are not good.
    pub fn failures(&self) -> Vec<&Answer> {
        self.0.iter().filter(|answer| !answer.is_good()).collect()
    }

    /// The responses from a backend other than the session's.
    pub fn strayed(&self) -> Vec<&Answer> {
        self.0.iter().filter(|answer| answer.strayed()).collect()
    }

    /// The responses that had arrived by then.
    pub fn until(&self, until: Duration) -> Self {
        Self(self.0.iter().filter(|answer| answer.done < until).cloned().collect())
    }

    /// The responses of each user.
    pub fn by_user(&self) -> BTreeMap<usize, Vec<&Answer>> {
        let mut users: BTreeMap<usize, Vec<&Answer>> = BTreeMap::new();
        for answer in &self.0 {
            users.entry(answer.user).or_default().push(answer);
        }
        users
    }

    /// The one pod that gave each user all its good responses.
    pub fn homes(&self) -> BTreeMap<usize, String> {
        let users = self.by_user().into_iter();
        users
            .map(|(user, answers)| {
                let pods = pods(&answers);
                assert_eq!(pods.len(), 1, "user {user} was on several: {answers:#?}");
                (user, pods.into_iter().next().unwrap().to_owned())
            })
            .collect()
    }

    /// Every move of each user's session, in order. A session that goes back and forth moves each time.
    pub fn moves(&self) -> BTreeMap<usize, Vec<Move>> {
        self.by_user().into_iter().map(|(user, answers)| (user, moves(&answers))).collect()
    }
}

/// The pods that gave the good responses among these.
pub fn pods<'a>(answers: &[&'a Answer]) -> BTreeSet<&'a str> {
    answers.iter().filter(|answer| answer.is_good()).map(|answer| answer.body.as_str()).collect()
}

fn moves(answers: &[&Answer]) -> Vec<Move> {
    let mut rounds: BTreeMap<u32, Vec<&Answer>> = BTreeMap::new();
    for answer in answers {
        rounds.entry(answer.round).or_default().push(answer);
    }
    rounds.values().flat_map(|round| moves_in(round)).collect()
}

fn moves_in(round: &[&Answer]) -> Vec<Move> {
    let mut moves: Vec<Move> = Vec::new();
    let sent = round.iter().map(|answer| answer.sent).min().unwrap();
    for answer in round {
        // A token begins a session if there was none before.
        let (Some(from), Some(to)) = (&answer.with, &answer.told) else { continue };
        if from != to && moves.iter().all(|known| known.to != *to) {
            let (from, to) = (from.clone(), to.clone());
            moves.push(Move { round: answer.round, from, to, sent, done: answer.done });
        }
    }
    moves
}

/// The backend that a token without keys names, such as `app-0`: 8 bytes after the version, the flags and the start.
fn backend_of(cookie: &str) -> String {
    let token = cookie.strip_prefix("GCLB=").unwrap();
    let token = Base64UrlUnpadded::decode_vec(token).unwrap_or_else(|_| panic!("no token: {cookie}"));
    let id = u64::from_be_bytes(token[10..18].try_into().unwrap());
    let mut names = (0..10).map(|index| format!("app-{index}"));
    names.find(|name| backend_id(name) == id).expect("a backend of the fleet")
}

/// The id of a backend in tokens: FNV-1a and the finalizer of `MurmurHash3` over the name of its cluster.
fn backend_id(cluster: &str) -> u64 {
    let mut id = cluster.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        id = (id ^ (id >> 33)).wrapping_mul(factor);
    }
    id ^ (id >> 33)
}
