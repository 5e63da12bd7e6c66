//! Users with one session each that send one GET after another while pods come and go.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use harness::client::Client;
use tokio::task::JoinHandle;

use super::fleet::{Session, Sessions};
use crate::ecds::eventually;
use crate::support::outcome;

/// A user's pause between two requests. It leaves a small machine time for the pods and the test itself.
const REST: Duration = Duration::from_millis(5);

/// One user: its session, and its moves so far.
#[derive(Clone, Debug)]
struct User {
    session: Session,
    began_on: String,
    /// The pods to which its session moved, in order.
    moves: Vec<String>,
}

/// Users that send requests until they are told to end. A user fails at once if a GET gets no 200, if another pod
/// serves the session without a new token, or if a new token comes without a move.
pub struct Users {
    all: Arc<[Mutex<User>]>,
    answers: Arc<[AtomicU64]>,
    ending: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Users {
    /// One user for each of these sessions.
    pub fn begin(url: &str, sessions: &Sessions) -> Self {
        let user = |session: &Session| User {
            session: session.clone(),
            began_on: session.pod.clone(),
            moves: Vec::new(),
        };
        let users: Arc<[_]> = sessions.0.iter().map(|session| Mutex::new(user(session))).collect();
        let answers: Arc<[_]> = sessions.0.iter().map(|_| AtomicU64::new(0)).collect();
        let ending = Arc::new(AtomicBool::new(false));
        let tasks = (0..users.len())
            .map(|index| {
                let (users, answers, ending) =
                    (Arc::clone(&users), Arc::clone(&answers), Arc::clone(&ending));
                let url = url.to_owned();
                tokio::spawn(async move {
                    let client = Client::http1();
                    while !ending.load(Ordering::Relaxed) {
                        send(&client, &url, &users[index]).await;
                        answers[index].fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(REST).await;
                    }
                })
            })
            .collect();
        Self { all: users, answers, ending, tasks }
    }

    /// Runs until each user has this many more responses.
    pub async fn go_on_for(&self, times: u64) {
        let now = || self.answers.iter().map(|count| count.load(Ordering::Relaxed));
        let before: Vec<u64> = now().collect();
        let gone_on = || now().zip(&before).all(|(now, before)| now >= before + times);
        eventually("every user is answered", async || self.any_failed() || gone_on()).await;
    }

    /// Runs until no user is on this pod any more.
    pub async fn go_on_until_none_is_on(&self, pod: &str) {
        let gone = || self.all.iter().all(|user| lock(user).session.pod != pod);
        eventually(&format!("no user is on {pod}"), async || self.any_failed() || gone()).await;
    }

    /// Waits for the last responses. No user ever moved.
    pub async fn end_where_they_began(self) -> Sessions {
        self.end(|user| assert_eq!(user.moves, [""; 0], "{user:?}")).await
    }

    /// Waits for the last responses. The users that began on this pod moved once, and there are some. No other user
    /// moved.
    pub async fn end_after_only_those_moved_once(self, gone: &str) -> Sessions {
        assert!(self.all.iter().any(|user| lock(user).began_on == gone), "no user was on {gone}");
        self.end(|user| {
            let moves = usize::from(user.began_on == gone);
            assert_eq!(user.moves.len(), moves, "{gone} went, and of {user:?}");
            assert_ne!(user.session.pod, gone);
        })
        .await
    }

    async fn end(self, check: impl Fn(&User)) -> Sessions {
        self.ending.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        let users: Vec<User> = self.all.iter().map(|user| lock(user).clone()).collect();
        users.iter().for_each(check);
        Sessions(users.into_iter().map(|user| user.session).collect())
    }

    fn any_failed(&self) -> bool {
        self.tasks.iter().any(JoinHandle::is_finished)
    }
}

async fn send(client: &Client, url: &str, user: &Mutex<User>) {
    let session = lock(user).session.clone();
    let reply = client.fetch_with_cookie(url, &session.cookie).await.unwrap();
    assert_eq!(reply.status, 200, "{session:?}: {reply:?}");
    let told = reply.cookie_pair("GCLB").map(str::to_owned);
    let expected = if told.is_some() { "repinned" } else { "pinned" };
    assert_eq!(
        (&*outcome(&reply), reply.pod == session.pod),
        (expected, told.is_none()),
        "{session:?}: {reply:?}"
    );
    if let Some(cookie) = told {
        let mut user = lock(user);
        user.moves.push(reply.pod.clone());
        user.session = Session { cookie, pod: reply.pod };
    }
}

fn lock(user: &Mutex<User>) -> MutexGuard<'_, User> {
    // If a user failed, its task reports the error.
    user.lock().unwrap_or_else(PoisonError::into_inner)
}
