//! Where envelopes are written, and how.

use super::arguments::ShowArguments;
use super::filter::Filter;
use super::json;
use super::tally::Tally;
use crate::lines::Lines;
use hydrant_proto::convert::to_v1;
use hydrant_proto::v1::Envelope;
use hydrant_proto::v2;
use prost::Message as _;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

/// What is printed on stdout.
#[derive(Debug)]
pub(super) struct Output<W: Write> {
    out: BufWriter<W>,
    /// None for JSON.
    lines: Option<Lines>,
    filter: Filter,
    pub(super) tally: Tally,
}

impl Output<StdoutLock<'static>> {
    /// Colours are for terminals, unless `NO_COLOR` is set.
    pub(super) fn to_stdout(arguments: &ShowArguments) -> Self {
        let stdout = io::stdout();
        let is_colored = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self::new(stdout.lock(), arguments, is_colored)
    }
}

impl<W: Write> Output<W> {
    fn new(out: W, arguments: &ShowArguments, is_colored: bool) -> Self {
        Self {
            out: BufWriter::new(out),
            lines: (!arguments.json).then(|| Lines::new(is_colored)),
            filter: Filter::new(arguments),
            tally: Tally::default(),
        }
    }

    /// Whether everything is printed.
    pub(super) const fn is_open(&self) -> bool {
        self.filter.is_open()
    }

    /// Reads and counts a message; gives the envelope that is to be printed, if it is one.
    pub(super) fn take(&mut self, message: &[u8]) -> Option<Envelope> {
        let Ok(envelope) = Envelope::decode(message) else {
            self.tally.unreadable += 1;
            return None;
        };
        self.tally.envelopes += 1;
        self.filter.passes(&envelope).then_some(envelope)
    }

    /// Prints what an envelope of the second generation says, soon, as far as it is to be printed.
    pub(super) fn show(&mut self, envelope: v2::Envelope) -> io::Result<()> {
        let envelopes = to_v1(envelope);
        self.tally.unreadable += u64::from(envelopes.is_empty());
        for envelope in envelopes {
            self.tally.envelopes += 1;
            if self.filter.passes(&envelope) {
                self.print(&envelope)?;
            }
        }
        Ok(())
    }

    /// Prints an envelope, soon.
    pub(super) fn print(&mut self, envelope: &Envelope) -> io::Result<()> {
        self.tally.shown += 1;
        let line = match &self.lines {
            Some(lines) => lines.of(envelope),
            None => json::line(envelope),
        };
        self.out.write_all(line.as_bytes())
    }

    /// Now.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_proto::v1::CounterEvent;

    #[test]
    fn all_that_comes_is_counted_by_what_became_of_it() {
        let arguments = ShowArguments {
            json: true,
            types: vec![super::super::arguments::Kind::Counter],
            ..ShowArguments::default()
        };
        let mut output = Output::new(Vec::new(), &arguments, false);
        let counter = Envelope {
            counter_event: Some(CounterEvent::default()),
            ..Envelope::default()
        };
        for message in [
            counter.encode_to_vec(),
            Envelope::default().encode_to_vec(),
            b"\xff".to_vec(),
        ] {
            if let Some(envelope) = output.take(&message) {
                output.print(&envelope).unwrap();
            }
        }
        let said = output.tally.to_string();
        assert!(
            said.starts_with("2 envelopes (1 shown), 1 unreadable messages"),
            "{said}"
        );
        let printed = String::from_utf8(output.out.into_inner().unwrap()).unwrap();
        assert_eq!(printed.lines().count(), 1, "{printed}");
        assert!(printed.starts_with("{\"type\":\"counter\""), "{printed}");
    }
}
