//! Where a message begins and ends in a stream (RFC 6587).

use serde::Deserialize;
use std::ops::Range;

/// How messages are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// Each has its length in front, in decimal, and a space. One line feed may stand behind it.
    #[default]
    OctetCounting,
    /// Each ends with a line feed, so that there is none in it.
    NonTransparent,
}

/// Why there can be no more messages in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// No length where one has to be, or no space after it.
    #[error("no length of a message, in decimal, with a space after it")]
    NoLength,
    /// A message that is longer than it may be.
    #[error("a message that is longer than it may be")]
    TooLong,
}

/// Finds messages in what has come of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Framer {
    framing: Framing,
    message_bytes_max: usize,
    /// How far was looked for a line feed without one.
    seen: usize,
}

/// What there is at the beginning of what has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A message, and after how many bytes the next one begins.
    Message(Range<usize>, usize),
    /// More has to come.
    More,
}

/// What is tolerated after a message.
const LINE_FEED: u8 = b'\n';

impl Framer {
    /// Messages may have so many bytes.
    pub const fn new(framing: Framing, message_bytes_max: usize) -> Self {
        Self {
            framing,
            message_bytes_max,
            seen: 0,
        }
    }

    /// The next message. `unread` begins where the message before ended.
    ///
    /// # Errors
    /// There is none, and none can come.
    pub fn next(&mut self, unread: &[u8]) -> Result<Step, FramingError> {
        match self.framing {
            Framing::OctetCounting => self.counted(unread),
            Framing::NonTransparent => self.line(unread),
        }
    }

    /// What must be gone over before the next message: a line feed after a counted one.
    pub fn gap(&self, unread: &[u8]) -> usize {
        let is_gap = self.framing == Framing::OctetCounting && unread.first() == Some(&LINE_FEED);
        usize::from(is_gap)
    }

    fn counted(&self, unread: &[u8]) -> Result<Step, FramingError> {
        let mut length = 0_usize;
        for (at, byte) in unread.iter().enumerate() {
            match byte {
                b'0' if at == 0 => return Err(FramingError::NoLength),
                b'0'..=b'9' => {
                    length = length
                        .saturating_mul(10)
                        .saturating_add(usize::from(byte - b'0'));
                    if length > self.message_bytes_max {
                        return Err(FramingError::TooLong);
                    }
                }
                b' ' if at > 0 => {
                    let message = at + 1..at + 1 + length;
                    return Ok(match unread.len() < message.end {
                        true => Step::More,
                        false => Step::Message(message.clone(), message.end),
                    });
                }
                _ => return Err(FramingError::NoLength),
            }
        }
        Ok(Step::More)
    }

    fn line(&mut self, unread: &[u8]) -> Result<Step, FramingError> {
        let found = unread[self.seen..]
            .iter()
            .position(|byte| *byte == LINE_FEED);
        let end = found.map_or(unread.len(), |found| self.seen + found);
        if end > self.message_bytes_max {
            return Err(FramingError::TooLong);
        }
        if found.is_none() {
            self.seen = end;
            return Ok(Step::More);
        }
        self.seen = 0;
        Ok(Step::Message(0..end, end + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of a stream that comes in pieces, and how it ends.
    fn messages(
        framing: Framing,
        pieces: &[&[u8]],
    ) -> (Vec<Vec<u8>>, Result<Vec<u8>, FramingError>) {
        let mut framer = Framer::new(framing, 100);
        let (mut unread, mut found, mut may_skip) = (Vec::new(), Vec::new(), false);
        for piece in pieces {
            unread.extend_from_slice(piece);
            loop {
                if may_skip {
                    may_skip = unread.is_empty();
                    unread.drain(..framer.gap(&unread));
                }
                match framer.next(&unread) {
                    Ok(Step::Message(message, end)) => {
                        found.push(unread[message].to_vec());
                        unread.drain(..end);
                        may_skip = true;
                    }
                    Ok(Step::More) => break,
                    Err(error) => return (found, Err(error)),
                }
            }
        }
        (found, Ok(unread))
    }

    #[test]
    fn a_stream_in_any_pieces_has_the_same_messages() {
        let counted = b"3 a\nb\n5 12 34" as &[u8];
        let lines = b"3 a\nb\n5 12 34\n" as &[u8];
        let bytes = |text: &str| text.as_bytes().to_vec();
        for (framing, stream, expected) in [
            (
                Framing::OctetCounting,
                counted,
                vec![bytes("a\nb"), bytes("12 34")],
            ),
            (
                Framing::NonTransparent,
                lines,
                vec![bytes("3 a"), bytes("b"), bytes("5 12 34")],
            ),
        ] {
            assert_eq!(
                messages(framing, &[stream]),
                (expected.clone(), Ok(Vec::new()))
            );
            let single: Vec<_> = stream.chunks(1).collect();
            assert_eq!(messages(framing, &single), (expected, Ok(Vec::new())));
        }
    }

    #[test]
    fn what_has_no_length_ends_the_stream() {
        for stream in [
            "0 ",
            "01 a",
            " 1 a",
            "a",
            "1a",
            "-1 a",
            "\n1 a",
            "1 a\n\n1 b",
            "1\x00a",
        ] {
            let (_, end) = messages(Framing::OctetCounting, &[stream.as_bytes()]);
            assert_eq!(end, Err(FramingError::NoLength), "{stream:?}");
        }
        let (found, end) = messages(Framing::OctetCounting, &[b"3 <14"]);
        assert_eq!((found.len(), end), (1, Ok(Vec::new())));
    }

    #[test]
    fn what_is_too_long_ends_the_stream_before_it_has_come() {
        let long = "9".repeat(1000);
        for stream in ["101 ", "99999999999999999999999999999 a", &long] {
            let (_, end) = messages(Framing::OctetCounting, &[stream.as_bytes()]);
            assert_eq!(end, Err(FramingError::TooLong), "{stream}");
        }
        let exact = format!("100 {}", "a".repeat(100));
        assert_eq!(
            messages(Framing::OctetCounting, &[exact.as_bytes()])
                .0
                .len(),
            1
        );
        let lines = ["a".repeat(100) + "\n", "a".repeat(101)];
        let (found, end) = messages(
            Framing::NonTransparent,
            &lines.each_ref().map(|it| it.as_bytes()),
        );
        assert_eq!((found.len(), end), (1, Err(FramingError::TooLong)));
    }
}
