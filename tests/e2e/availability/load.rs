//! Many concurrent users, each with its own session, and the responses that they got.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use harness::client::Client;
use http::{HeaderMap, Method};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;

use super::record::{Answer, Record};

/// The number of requests that a user sends at the same time.
const AT_ONCE: usize = 4;
/// A user's pause between two rounds. Limits the requests per second to what a small machine can carry.
const REST: Duration = Duration::from_millis(800);

/// A generous limit for operations of a busy machine under load.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The interval at which a condition is checked again.
const POLL: Duration = Duration::from_millis(5);

/// A test under load holds this lock. Two such tests would starve each other on a small machine.
pub async fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    ONE_AT_A_TIME.lock().await
}

/// A user that behaves like a browser: it sends the cookie that it received last.
pub struct User {
    client: Client,
    cookie: Option<String>,
}

/// This many new users. One half uses HTTP/1.1, the other half HTTP/2.
pub fn users(count: usize) -> Vec<User> {
    let client = |index: usize| if index.is_multiple_of(2) { Client::http1() } else { Client::http2() };
    (0..count).map(|index| User { client: client(index), cookie: None }).collect()
}

/// Users that send requests until they are told to end.
pub struct Load {
    began: Instant,
    signs: Arc<Signs>,
    users: JoinSet<Vec<Answer>>,
}

/// The shared state of users and their driver.
#[derive(Default)]
struct Signs {
    ending: AtomicBool,
    paused: AtomicBool,
    /// The number of users that wait for responses.
    asking: AtomicU32,
    /// The number of rounds that each user has finished.
    rounds: Vec<AtomicU32>,
}

impl Load {
    /// Waits until all workers can send requests to the backends. Each user then sends one request if it has no session
    /// yet, and four GETs and POSTs at the same time, repeatedly.
    pub async fn begin(url: &str, users: Vec<User>) -> Self {
        // A worker of Envoy may learn only a moment after the start that the endpoints are healthy.
        let client = Client::http1_fresh();
        let (mut in_a_row, start) = (0, Instant::now());
        while in_a_row < 50 {
            assert!(start.elapsed() < PATIENCE, "the backends are not ready");
            in_a_row = if client.fetch(url, &[]).await.unwrap().status == 200 { in_a_row + 1 } else { 0 };
        }
        let began = Instant::now();
        let count = u32::try_from(users.len()).unwrap();
        let rounds = users.iter().map(|_| AtomicU32::new(0)).collect();
        let signs = Arc::new(Signs { rounds, ..Signs::default() });
        let tasks = (0..).zip(users).map(|(index, user)| {
            let (signs, url) = (Arc::clone(&signs), url.to_owned());
            let wait = REST * index / count;
            async move {
                // The users do not all start at the same time.
                tokio::time::sleep(wait).await;
                let index = usize::try_from(index).unwrap();
                let mut sender = Sender { index, user, url, began, round: 0 };
                sender.send_until_end(&signs).await
            }
        });
        Self { began, users: tasks.collect(), signs }
    }

    /// The time since the beginning, as in records.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Runs until each user has finished this many more rounds.
    pub async fn go_on_for(&self, rounds: u32) {
        let before = self.rounds();
        let gone_on = || self.rounds().iter().zip(&before).all(|(now, before)| *now >= before + rounds);
        wait_until("each user has been answered", gone_on).await;
    }

    /// Runs until half of the users have finished another round.
    pub async fn go_on_briefly(&self) {
        let sum = || self.rounds().iter().sum::<u32>();
        let before = sum();
        let half = u32::try_from(self.signs.rounds.len() / 2).unwrap();
        wait_until("some users have been answered", || sum() >= before + half).await;
    }

    fn rounds(&self) -> Vec<u32> {
        self.signs.rounds.iter().map(|count| count.load(Ordering::SeqCst)).collect()
    }

    /// Pauses all users. Returns when no request is in flight.
    pub async fn pause(&self) {
        self.signs.paused.store(true, Ordering::SeqCst);
        wait_until("all requests are answered", || self.signs.asking.load(Ordering::SeqCst) == 0).await;
    }

    /// Ends [`Self::pause`].
    pub fn resume(&self) {
        self.signs.paused.store(false, Ordering::SeqCst);
    }

    /// Waits for the last responses.
    pub async fn end(self) -> Record {
        self.signs.ending.store(true, Ordering::SeqCst);
        Record::new(self.users.join_all().await.into_iter().flatten().collect())
    }
}

async fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not so after {PATIENCE:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}

struct Sender {
    index: usize,
    user: User,
    url: String,
    began: Instant,
    round: u32,
}

impl Sender {
    async fn send_until_end(&mut self, signs: &Signs) -> Vec<Answer> {
        let mut answers = Vec::new();
        if self.user.cookie.is_none() {
            answers.extend(self.send([Method::GET].into()).await);
        }
        while !signs.ending.load(Ordering::SeqCst) {
            // Counted first, so that the driver's pause either waits for this user or is seen here.
            signs.asking.fetch_add(1, Ordering::SeqCst);
            let paused = signs.paused.load(Ordering::SeqCst);
            if !paused {
                let methods = (0..AT_ONCE).map(|index| if index == 1 { Method::POST } else { Method::GET });
                answers.extend(self.send(methods.collect()).await);
                signs.rounds[self.index].fetch_add(1, Ordering::SeqCst);
            }
            signs.asking.fetch_sub(1, Ordering::SeqCst);
            tokio::time::sleep(if paused { POLL } else { REST }).await;
        }
        answers
    }

    /// Sends these requests at the same time, and takes the cookies in the order of the responses.
    async fn send(&mut self, methods: Vec<Method>) -> Vec<Answer> {
        self.round += 1;
        let mut requests: JoinSet<(Answer, Option<String>)> =
            methods.into_iter().map(|method| self.request(method)).collect();
        let mut answers = Vec::new();
        while let Some(done) = requests.join_next().await {
            let (answer, cookie) = done.unwrap();
            self.user.cookie = cookie.or(self.user.cookie.take());
            answers.push(answer);
        }
        answers
    }

    fn request(&self, method: Method) -> impl Future<Output = (Answer, Option<String>)> + Send + use<> {
        let post = method == Method::POST;
        let mut request = self.user.client.request(method, &self.url);
        if let Some(cookie) = &self.user.cookie {
            request = request.header("cookie", cookie);
        }
        if post {
            request = request.body("four");
        }
        let (user, round, began) = (self.index, self.round, self.began);
        let with = self.user.cookie.clone();
        async move {
            let sent = began.elapsed();
            let mut answer = Answer { user, round, post, sent, with, ..Answer::default() };
            let mut cookie = None;
            match request.send().await {
                Ok(response) => {
                    answer.status = response.status().as_u16();
                    answer.outcome = outcome(response.headers());
                    cookie = session_cookie(response.headers());
                    match response.text().await {
                        Ok(body) => answer.body = body,
                        Err(error) => answer.broken = Some(format!("{error:?}")),
                    }
                }
                Err(error) => answer.broken = Some(format!("{error:?}")),
            }
            answer.told.clone_from(&cookie);
            answer.done = began.elapsed();
            (answer, cookie)
        }
    }
}

/// The outcome in the debug header, whatever the name of the header.
fn outcome(headers: &HeaderMap) -> String {
    let told = headers.values().find_map(|value| value.to_str().ok()?.split_once("; service="));
    told.map_or("", |(outcome, _)| outcome).to_owned()
}

fn session_cookie(headers: &HeaderMap) -> Option<String> {
    let mut lines = headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok());
    lines.rfind(|line| line.starts_with("GCLB="))?.split(';').next().map(str::to_owned)
}
