//! What users were answered, and what follows from it about their sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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
    /// Whether it carried a token.
    pub told: bool,
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
}

/// Answers in the order in which they came.
pub struct Record(Vec<Answer>);

/// A change of the backend that a session is on.
#[derive(Debug)]
pub struct Move {
    /// The backend it was on, last seen there by a request sent then.
    pub from: (String, Duration),
    /// The backend it is on, first seen there by an answer that came then.
    pub to: (String, Duration),
}

impl Record {
    /// Of these answers.
    pub fn new(mut answers: Vec<Answer>) -> Self {
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

    /// Every change of backend, by user. A round of which the answers come from several pods is one in which the
    /// session moves: what counts is where it is before and after.
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
    let settled: Vec<(&str, &Vec<&Answer>)> = rounds
        .values()
        .filter_map(|round| {
            let pods = pods(round);
            (pods.len() == 1).then(|| (pods.into_iter().next().unwrap(), round))
        })
        .collect();
    let changes = settled.windows(2).filter(|pair| pair[0].0 != pair[1].0);
    changes
        .map(|pair| {
            let [(from, before), (to, after)] = [pair[0], pair[1]];
            let last_sent = before.iter().map(|answer| answer.sent).max().unwrap();
            let first_done = after.iter().map(|answer| answer.done).min().unwrap();
            Move { from: (from.to_owned(), last_sent), to: (to.to_owned(), first_done) }
        })
        .collect()
}
