//! What keeps an evaluation from taking too much time or memory.

use crate::eval_error::EvalError;
use crate::limits::{SAMPLES_MAX, VALUES_PER_CHECK};
use std::fmt;

/// Counts values that are held, and asks every so many whether time is up.
pub(crate) struct Guard<'a> {
    is_late: &'a dyn Fn() -> bool,
    held: usize,
    unchecked: usize,
}

impl fmt::Debug for Guard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}

impl<'a> Guard<'a> {
    pub(crate) fn new(is_late: &'a dyn Fn() -> bool) -> Self {
        Self {
            is_late,
            held: 0,
            unchecked: VALUES_PER_CHECK,
        }
    }

    /// Before so many values are calculated or kept.
    pub(crate) fn take(&mut self, values: usize) -> Result<(), EvalError> {
        self.held = self.held.saturating_add(values);
        if self.held > SAMPLES_MAX {
            return Err(EvalError::Samples);
        }
        self.work(values)
    }

    /// Before so many values are looked at.
    pub(crate) fn work(&mut self, values: usize) -> Result<(), EvalError> {
        self.unchecked = self.unchecked.saturating_add(values).saturating_add(1);
        if self.unchecked >= VALUES_PER_CHECK {
            self.unchecked = 0;
            if (self.is_late)() {
                return Err(EvalError::Timeout);
            }
        }
        Ok(())
    }

    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// After an expression: of all that it took, its result is left.
    pub(crate) fn keep(&mut self, before: usize, result: usize) {
        self.held = before.saturating_add(result);
    }
}
