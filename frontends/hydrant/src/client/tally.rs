//! What a stream has brought and what it has missed.

use super::end::End;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Ends told apart; what comes after that is counted together. Reasons are the server's to choose.
const ENDS_MAX: usize = 16;

/// Counts of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Whether there was a connection at all.
    pub(super) has_begun: bool,
    /// Envelopes that came.
    pub(super) envelopes: u64,
    /// Those of them that passed the filters.
    pub(super) shown: u64,
    /// Messages that are no envelope.
    pub(super) unreadable: u64,
    /// Times that a connection ended before we ended it.
    gaps: u64,
    /// How long there was no connection, all gaps together.
    without: Duration,
    ends: BTreeMap<String, u64>,
}

impl Tally {
    /// A connection has ended.
    pub(super) fn ended(&mut self, end: &End) {
        self.gaps += 1;
        let end = end.to_string();
        let is_known = self.ends.contains_key(&end) || self.ends.len() < ENDS_MAX;
        let key = if is_known { end } else { "others".to_owned() };
        *self.ends.entry(key).or_default() += 1;
    }

    /// A gap is over, or has been given up, after so long.
    pub(super) const fn was_without(&mut self, time: Duration) {
        self.without = self.without.saturating_add(time);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            envelopes,
            shown,
            gaps,
            ..
        } = self;
        write!(f, "{envelopes} envelopes")?;
        if shown != envelopes {
            write!(f, " ({shown} shown)")?;
        }
        if self.unreadable > 0 {
            write!(f, ", {} unreadable messages", self.unreadable)?;
        }
        let seconds = self.without.as_secs_f64();
        write!(f, ", {gaps} gaps, {seconds:.1} s without connection")?;
        for (end, count) in &self.ends {
            write!(f, "; {count} × {end}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_told() {
        let mut tally = Tally {
            envelopes: 7,
            shown: 7,
            ..Tally::default()
        };
        assert_eq!(
            tally.to_string(),
            "7 envelopes, 0 gaps, 0.0 s without connection"
        );
        let slow = End::Closed(Some((1008, "too slow".into())));
        tally.ended(&slow);
        tally.ended(&slow);
        tally.was_without(Duration::from_millis(1500));
        tally.shown = 3;
        tally.unreadable = 1;
        assert_eq!(
            tally.to_string(),
            "7 envelopes (3 shown), 1 unreadable messages, 2 gaps, 1.5 s without connection; \
             2 × the server closed the stream: 1008 too slow"
        );
    }

    #[test]
    fn a_server_that_invents_reasons_does_not_fill_the_memory() {
        let mut tally = Tally::default();
        for number in 0..100 {
            tally.ended(&End::Closed(Some((4000, number.to_string()))));
        }
        assert_eq!(tally.ends.len(), ENDS_MAX + 1);
        assert_eq!(tally.ends.values().sum::<u64>(), 100);
    }
}
