//! What has been told lately. Upstream tells every app every problem in every round: its logs, and
//! the platform's, fill with it.

use crate::check::Problem;
use crate::limits::{TOLD_MAX, TOLD_TTL};
use std::collections::HashMap;
use tokio::time::Instant;

/// Remembers.
#[derive(Debug, Default)]
pub(super) struct Told(HashMap<Problem, Instant>);

impl Told {
    /// Forgets what may be told again.
    pub(super) fn begin_round(&mut self) {
        let now = Instant::now();
        self.0
            .retain(|_, told| now.duration_since(*told) < TOLD_TTL);
    }

    /// Whether a problem is to be told; it counts as told then.
    pub(super) fn is_due(&mut self, problem: &Problem) -> bool {
        if self.0.contains_key(problem) {
            return false;
        }
        if self.0.len() < TOLD_MAX {
            self.0.insert(problem.clone(), Instant::now());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn problem(app: &str, message: &str) -> Problem {
        Problem {
            app: Some(app.to_owned()),
            message: message.into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_is_told_once_a_minute() {
        let mut told = Told::default();
        let mut round = || {
            told.begin_round();
            [
                problem("a", "1"),
                problem("b", "1"),
                problem("a", "2"),
                problem("a", "1"),
            ]
            .map(|problem| told.is_due(&problem))
        };
        assert_eq!(round(), [true, true, true, false]);
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(round(), [false; 4]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(round(), [true, true, true, false]);
    }
}
