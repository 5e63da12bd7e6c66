//! What users were answered, and what follows from it about their sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding as _};

/// One request and what came of it. Times are since the beginning of the load.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Whose.
    pub user: usize,
    /// Requests of one round are sent at the same time, those of the next when all are answered.
    pub round: u32,
    /// Whether it was a POST; else a GET.
    pub post: bool,
    /// When it was sent.
    pub sent: Duration,
    /// When the whole answer was there.
    pub done: Duration,
    /// Its status; 0 where none came.
    pub status: u16,
    /// The outcome that the filter tells.
    pub outcome: String,
    /// Its body: the pod's name, or Envoy's own words.
    pub body: String,
    /// The cookie that it was sent with; in a [`Record`], the backend that its token names.
    pub with: Option<String>,
    /// The cookie that came with the answer; in a [`Record`], the backend that its token names.
    pub told: Option<String>,
    /// How the client failed to get it.
    pub broken: Option<String>,
}

impl Answer {
    /// Whether the user got what it asked for.
    pub fn is_good(&self) -> bool {
        self.status == 200 && self.broken.is_none()
    }

    /// Whether Envoy says of a request that failed that a backend had got it.
    pub fn had_been_sent(&self) -> bool {
        (self.status == 503 && self.body.ends_with("reset reason: connection termination"))
            || (self.status == 504 && self.body == "upstream request timeout")
    }

    /// Whether it comes from another backend than the session's, which did not move there.
    pub fn strayed(&self) -> bool {
        let home = self.told.as_ref().or(self.with.as_ref());
        self.is_good() && home.is_some_and(|home| *home != self.body)
    }
}

/// Answers in the order in which they came.
pub struct Record(Vec<Answer>);

/// A session is told of a backend that its requests did not name.
#[derive(Debug)]
pub struct Move {
    /// In which round. All requests of a round name the same backend; where their answers tell of several others, each
    /// of these is a move.
    pub round: u32,
    /// What the requests of that round named.
    pub from: String,
    /// What the answer tells.
    pub to: String,
    /// When the first request of the round was sent.
    pub sent: Duration,
    /// When the answer was there.
    pub done: Duration,
}

impl Record {
    /// Of these answers.
    pub fn new(mut answers: Vec<Answer>) -> Self {
        for answer in &mut answers {
            for cookie in [&mut answer.with, &mut answer.told] {
                *cookie = cookie.as_ref().map(|cookie| backend_of(cookie));
            }
        }
        answers.sort_by_key(|answer| answer.done);
        Self(answers)
    }

    /// All answers.
    pub fn answers(&self) -> &[Answer] {
        &self.0
    }

    /// Those that are not good.
    pub fn failures(&self) -> Vec<&Answer> {
        self.0.iter().filter(|answer| !answer.is_good()).collect()
    }

    /// Those from elsewhere than the session is.
    pub fn strayed(&self) -> Vec<&Answer> {
        self.0.iter().filter(|answer| answer.strayed()).collect()
    }

    /// Those that had come by then.
    pub fn until(&self, until: Duration) -> Self {
        Self(self.0.iter().filter(|answer| answer.done < until).cloned().collect())
    }

    /// The answers of each user.
    pub fn by_user(&self) -> BTreeMap<usize, Vec<&Answer>> {
        let mut users: BTreeMap<usize, Vec<&Answer>> = BTreeMap::new();
        for answer in &self.0 {
            users.entry(answer.user).or_default().push(answer);
        }
        users
    }

    /// The one pod that gave each user all its good answers.
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

    /// Every move of each user's session, in order. One that goes back and forth moves each time.
    pub fn moves(&self) -> BTreeMap<usize, Vec<Move>> {
        self.by_user().into_iter().map(|(user, answers)| (user, moves(&answers))).collect()
    }
}

/// The pods that gave the good ones of these answers.
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
        // A token where there was none begins a session.
        let (Some(from), Some(to)) = (&answer.with, &answer.told) else { continue };
        if from != to && moves.iter().all(|known| known.to != *to) {
            let (from, to) = (from.clone(), to.clone());
            moves.push(Move { round: answer.round, from, to, sent, done: answer.done });
        }
    }
    moves
}

/// The backend, `app-0` or another, that a token without keys names: 8 bytes behind the version, the flags and the start.
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
