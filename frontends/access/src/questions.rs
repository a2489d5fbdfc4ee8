//! Questions to one service: remembered, in turn, in time, and counted.

use crate::limits::ANSWER_BYTES_MAX;
use crate::memory::{Mark, Memory};
use crate::state::{AccessCounter, AccessState, Question};
use hydrant_http::client::{Ask, AskError, Asker, Https, HttpsError, Said};
use hyper::StatusCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout_at;

/// For a whole question to UAA or the Cloud Controller, as upstream.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Questions under way to one service, each of which is a socket.
const QUESTIONS_MAX: usize = 256;

/// What there is of time and sockets, and for how long answers are remembered.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// For an answer, with the time until the question can be sent. Default: 20 s, as upstream.
    pub answer_timeout: Duration,
    /// Questions under way to one service; the next wait. Default: 256.
    pub questions_max: usize,
    /// How long what is allowed is remembered if the config does not say; zero: not at all.
    /// Default: zero, as upstream.
    pub cache: Duration,
    /// Bytes of an answer; a longer one is none. Default: 1 MiB.
    pub answer_bytes_max: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            answer_timeout: ANSWER_TIMEOUT,
            questions_max: QUESTIONS_MAX,
            cache: Duration::ZERO,
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }
}

/// What is known after a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The bearer of the token may.
    Granted,
    /// The bearer of the token may not; the status of the answer.
    Refused(StatusCode),
    /// Nobody can say. The status, if what came was an answer at all.
    Failed(Option<StatusCode>),
}

/// What kept us from knowing. Nothing of the token is in it.
#[derive(Debug)]
pub(crate) struct Unknown;

/// Why there is no answer that is one. Shows nothing of the question but its host.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    /// The question cannot be put.
    #[error("the address is no URL")]
    Url,
    /// None came in time.
    #[error("no answer in time")]
    Late,
    /// None came.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Another status than 200.
    #[error("status {0}")]
    Status(StatusCode),
}

/// A service, and all that questions to it share.
#[derive(Debug)]
pub(crate) struct Questions {
    asker: Asker,
    places: Semaphore,
    answer_timeout: Duration,
    memory: Option<Memory>,
    state: Arc<AccessState>,
}

impl Questions {
    pub(crate) fn new(
        https: Option<Https>,
        allowance: Allowance,
        state: Arc<AccessState>,
    ) -> Result<Self, HttpsError> {
        Ok(Self {
            asker: Asker::new(https, allowance.answer_bytes_max),
            places: Semaphore::new(allowance.questions_max),
            answer_timeout: allowance.answer_timeout,
            memory: Memory::new(allowance.cache).map_err(HttpsError::Refused)?,
            state,
        })
    }

    /// What is known of `parts`, which tell the question from others of its kind; `weigh` says what
    /// an answer means.
    pub(crate) async fn verdict(
        &self,
        question: Question,
        parts: &[&[u8]],
        ask: impl FnOnce() -> Result<Ask, Unknown>,
        weigh: impl FnOnce(&Said) -> Verdict,
    ) -> Verdict {
        let mark = self
            .memory
            .as_ref()
            .map(|memory| memory.mark(question.name(), parts));
        if self.knows(question, mark.as_ref()) {
            return Verdict::Granted;
        }
        let deadline = Instant::now() + self.answer_timeout;
        let Some(_place) = self.place(deadline).await else {
            self.state.count(question, AccessCounter::Crowded);
            return Verdict::Failed(None);
        };
        // Those who waited together want to know the same more often than not.
        if self.knows(question, mark.as_ref()) {
            return Verdict::Granted;
        }
        let asked = Asked::new(&self.state, question);
        let said = self.hear(deadline, ask()).await;
        let verdict = said.map_or(Verdict::Failed(None), |said| weigh(&said));
        asked.end(verdict);
        self.learn(mark, verdict);
        verdict
    }

    /// Whether a question of these parts has been answered yes of late.
    pub(crate) fn remembers(&self, question: Question, parts: &[&[u8]]) -> bool {
        let mark = |memory: &Memory| memory.mark(question.name(), parts);
        self.knows(question, self.memory.as_ref().map(mark).as_ref())
    }

    /// What is said with status 200 to a question that yes and no do not answer. Nothing of it is
    /// remembered.
    pub(crate) async fn said(
        &self,
        question: Question,
        ask: impl FnOnce() -> Result<Ask, Unknown>,
    ) -> Result<Said, Unheard> {
        let deadline = Instant::now() + self.answer_timeout;
        let Some(_place) = self.place(deadline).await else {
            self.state.count(question, AccessCounter::Crowded);
            return Err(Unheard::Late);
        };
        let asked = Asked::new(&self.state, question);
        let said = match self.hear(deadline, ask()).await {
            Ok(said) if said.status != StatusCode::OK => Err(Unheard::Status(said.status)),
            heard => heard,
        };
        asked.end(match &said {
            Ok(_) => Verdict::Granted,
            Err(Unheard::Status(status)) => Verdict::Refused(*status),
            Err(_) => Verdict::Failed(None),
        });
        said
    }

    async fn hear(&self, deadline: Instant, ask: Result<Ask, Unknown>) -> Result<Said, Unheard> {
        let ask = ask.map_err(|Unknown| Unheard::Url)?;
        match timeout_at(deadline.into(), self.asker.ask(ask)).await {
            Ok(said) => said.map_err(Unheard::Ask),
            Err(_) => Err(Unheard::Late),
        }
    }

    /// A place among the questions under way. One that comes too late is for somebody else.
    async fn place(&self, deadline: Instant) -> Option<SemaphorePermit<'_>> {
        let place = timeout_at(deadline.into(), self.places.acquire()).await;
        place.ok()?.ok().filter(|_| Instant::now() < deadline)
    }

    fn knows(&self, question: Question, mark: Option<&Mark>) -> bool {
        let memory = self.memory.as_ref().zip(mark);
        let is_known = memory.is_some_and(|(memory, mark)| memory.knows(mark, Instant::now()));
        if is_known {
            self.state.count(question, AccessCounter::Cached);
        }
        is_known
    }

    /// Only what is allowed: who may not now may in a moment.
    fn learn(&self, mark: Option<Mark>, verdict: Verdict) {
        if let (Verdict::Granted, Some((memory, mark))) = (verdict, self.memory.as_ref().zip(mark))
        {
            memory.learn(mark, Instant::now());
        }
    }
}

/// A question that was sent.
struct Asked<'s> {
    state: &'s AccessState,
    question: Question,
    at: Instant,
    /// What became of it; until that is known, that nobody waits any more.
    outcome: AccessCounter,
}

impl<'s> Asked<'s> {
    fn new(state: &'s AccessState, question: Question) -> Self {
        state.count(question, AccessCounter::Asked);
        Self {
            state,
            question,
            at: Instant::now(),
            outcome: AccessCounter::Abandoned,
        }
    }

    fn end(mut self, verdict: Verdict) {
        self.outcome = match verdict {
            Verdict::Granted => AccessCounter::Granted,
            Verdict::Refused(_) => AccessCounter::Refused,
            Verdict::Failed(_) => AccessCounter::Failed,
        };
        self.state.set_latency(self.question, self.at.elapsed());
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.state.count(self.question, self.outcome);
    }
}
