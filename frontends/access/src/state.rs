//! What was asked of whom, for metrics to look at.
//!
//! **The ledger**, for every kind of question: what frontends wanted to know is
//! `cached + asked + crowded`, and at any moment of rest
//! `asked = granted + refused + failed + abandoned`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

hydrant_engine::counters! {
    /// Kinds of questions.
    Question {
        CheckToken = "check_token", "UAA: what may the bearer of a token do?";
        LogAccess = "log_access", "Cloud Controller: may the bearer of a token read an app's logs?";
        TokenKeys = "token_keys", "UAA: by which keys are tokens signed?";
        App = "app", "Cloud Controller: may the bearer of a token see an app?";
        Apps = "apps", "Cloud Controller: which apps may the bearer of a token see? A page of the answer.";
        AppsByName = "apps_by_name", "Cloud Controller: which apps have these names? A page of the answer.";
        ServiceInstances = "service_instances", "Cloud Controller: which service instances may the bearer of a token see? A page of the answer.";
        ServiceInstance = "service_instance", "Cloud Controller: may the bearer of a token see a service instance?";
    }
}

hydrant_engine::counters! {
    /// What is counted of each kind of questions.
    AccessCounter {
        Asked = "asked", "Questions sent.";
        Cached = "cached", "Questions answered by what was remembered.";
        Crowded = "crowded", "Questions that were not sent in time: too many others were under way.";
        Granted = "granted", "Answers that allow it.";
        Refused = "refused", "Answers that do not allow it.";
        Failed = "failed", "Questions sent without an answer that is one: none came in time, or it made no sense.";
        Abandoned = "abandoned", "Questions sent whose client left before the answer came.";
    }
}

/// Counters of access control. Any thread may add and look.
#[derive(Debug, Default)]
pub struct AccessState([OfQuestion; Question::ALL.len()]);

#[derive(Debug, Default)]
struct OfQuestion {
    counts: [AtomicU64; AccessCounter::ALL.len()],
    latency_nanos: AtomicU64,
}

impl AccessState {
    /// What a counter stands at.
    pub fn get(&self, question: Question, counter: AccessCounter) -> u64 {
        self.0[question as usize].counts[counter as usize].load(Ordering::Relaxed)
    }

    /// Nanoseconds that the last question of this kind took; 0 before the first.
    pub fn latency_nanos(&self, question: Question) -> u64 {
        let latency = &self.0[question as usize].latency_nanos;
        latency.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, question: Question, counter: AccessCounter) {
        let count = &self.0[question as usize].counts[counter as usize];
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn set_latency(&self, question: Question, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let latency = &self.0[question as usize].latency_nanos;
        latency.store(nanos, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_the_last_one() {
        let state = AccessState::default();
        state.set_latency(Question::CheckToken, Duration::from_nanos(7));
        state.set_latency(Question::CheckToken, Duration::from_micros(5));
        assert_eq!(state.latency_nanos(Question::CheckToken), 5_000);
        assert_eq!(state.latency_nanos(Question::LogAccess), 0);
    }
}
