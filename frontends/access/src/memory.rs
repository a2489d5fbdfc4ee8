//! Who may read what, remembered for a short time. Tokens are not kept: what is kept is a hash of
//! question and token under a key that nobody knows.

use hmac::{Hmac, KeyInit, Mac};
use rustls::crypto::aws_lc_rs;
use sha2::Sha256;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Answers that are remembered at a time, in a MiB or so; beyond that the oldest is forgotten.
pub(crate) const ANSWERS_MAX: usize = 10_000;

/// A hash of who asked what.
pub(crate) type Mark = [u8; 32];

/// What has been allowed lately.
pub(crate) struct Memory {
    hash: Hmac<Sha256>,
    lasts: Duration,
    answers: Mutex<Answers>,
}

#[derive(Default)]
struct Answers {
    /// When each is forgotten.
    until: HashMap<Mark, Instant>,
    /// The same in the order in which they came, which is that of forgetting. What was learnt anew
    /// is here twice.
    order: VecDeque<(Mark, Instant)>,
}

impl Memory {
    /// An empty memory under a new key; none if nothing lasts.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(crate) fn new(lasts: Duration) -> Result<Option<Self>, rustls::Error> {
        if lasts.is_zero() {
            return Ok(None);
        }
        let mut key = [0; 64];
        let random = aws_lc_rs::default_provider().secure_random;
        random.fill(&mut key)?;
        Ok(Some(Self {
            hash: Hmac::new(&key.into()),
            lasts,
            answers: Mutex::default(),
        }))
    }

    /// The mark of a question of this kind, which is of some parts.
    pub(crate) fn mark(&self, kind: &str, parts: &[&[u8]]) -> Mark {
        let mut hash = self.hash.clone();
        for part in [kind.as_bytes()].iter().chain(parts) {
            // With its length before it, a part ends nowhere else.
            hash.update(&part.len().to_le_bytes());
            hash.update(part);
        }
        hash.finalize().into_bytes().into()
    }

    /// Whether it is remembered now.
    pub(crate) fn knows(&self, mark: &Mark, now: Instant) -> bool {
        let answers = self.answers.lock();
        let answers = answers.unwrap_or_else(PoisonError::into_inner);
        answers.until.get(mark).is_some_and(|until| now < *until)
    }

    /// Remembers from now on.
    pub(crate) fn learn(&self, mark: Mark, now: Instant) {
        let answers = self.answers.lock();
        let mut answers = answers.unwrap_or_else(PoisonError::into_inner);
        let until = now + self.lasts;
        answers.until.insert(mark, until);
        answers.order.push_back((mark, until));
        answers.forget(now);
    }
}

impl Answers {
    /// What is over, and what is too much.
    fn forget(&mut self, now: Instant) {
        while let Some(&(mark, until)) = self.order.front() {
            if now < until && self.order.len() <= ANSWERS_MAX {
                return;
            }
            self.order.pop_front();
            // Not what has been learnt anew since.
            if self.until.get(&mark) == Some(&until) {
                self.until.remove(&mark);
            }
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("lasts", &self.lasts)
            .finish_non_exhaustive()
    }
}
