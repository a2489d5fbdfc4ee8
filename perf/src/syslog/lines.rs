//! The lines that a drain gets: octet-counted RFC 5424 (RFC 6587, section 3.4.1), counted where they
//! lie. Of each line the count, the beginning and the end are checked; of the first and of every
//! so manieth all that stands before the message.

use crate::samples::app_of_guid;

/// Of so many lines of a connection, one is looked into.
const LOOK_EVERY: u64 = 64;
/// No envelope of a run becomes a longer line.
const LINE_BYTES_MAX: usize = 128 * 1024;
/// A count has no more digits than that line's.
const DIGITS_MAX: usize = 6;
/// Facility user, severity informational: standard output.
const BEGINNING: &[u8] = b"<14>1 ";
/// All of a line that is looked at.
const HEAD_BYTES_MAX: usize = 512;

/// What came is not what a syslog agent sends for the envelopes of a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}: {text:?}")]
pub struct Malformed {
    problem: &'static str,
    /// How it begins.
    text: String,
}

impl Malformed {
    fn new(problem: &'static str, bytes: &[u8]) -> Self {
        let shown = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
        let text = String::from_utf8_lossy(shown).into_owned();
        Self { problem, text }
    }
}

/// Whose lines a drain gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sources {
    /// Those of all apps.
    All,
    /// Those of one app; that of the first line, if it is not known.
    One(Option<usize>),
}

/// Counts the lines in a stream that comes in pieces.
#[derive(Debug)]
pub struct Lines {
    sources: Sources,
    count: u64,
    /// A line of which a part came earlier.
    begun: Vec<u8>,
}

impl Lines {
    /// Nothing has come.
    pub const fn new(sources: Sources) -> Self {
        Self {
            sources,
            count: 0,
            begun: Vec::new(),
        }
    }

    /// Takes the next piece. Gives how many lines end in it.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn take(&mut self, mut piece: &[u8]) -> Result<u64, Malformed> {
        let before = self.count;
        if !self.begun.is_empty() {
            piece = self.go_on(piece)?;
        }
        while let Some((message_at, end)) = extent(piece)?
            && end <= piece.len()
        {
            self.check(&piece[message_at..end])?;
            piece = &piece[end..];
        }
        self.begun.extend_from_slice(piece);
        Ok(self.count - before)
    }

    /// The app whose lines come, once it is known; nothing if those of all may.
    pub const fn app(&self) -> Option<usize> {
        match self.sources {
            Sources::One(app) => app,
            Sources::All => None,
        }
    }

    /// Lines so far.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Whether the stream may end here.
    pub const fn is_whole(&self) -> bool {
        self.begun.is_empty()
    }

    /// Takes what the line that has begun still needs. Gives what comes after it.
    fn go_on<'a>(&mut self, mut piece: &'a [u8]) -> Result<&'a [u8], Malformed> {
        let mut begun = std::mem::take(&mut self.begun);
        while !piece.is_empty() {
            let missing = match extent(&begun)? {
                Some((_, end)) => end - begun.len(),
                None => 1,
            };
            let (more, rest) = piece.split_at(missing.min(piece.len()));
            begun.extend_from_slice(more);
            piece = rest;
            if let Some((message_at, end)) = extent(&begun)?
                && end == begun.len()
            {
                self.check(&begun[message_at..])?;
                begun.clear();
                break;
            }
        }
        self.begun = begun;
        Ok(piece)
    }

    fn check(&mut self, line: &[u8]) -> Result<(), Malformed> {
        if !line.starts_with(BEGINNING) || !line.ends_with(b"\n") {
            return Err(Malformed::new("a line that is no log of an app", line));
        }
        if self.count.is_multiple_of(LOOK_EVERY) {
            let app = app_of(line).ok_or_else(|| Malformed::new("a line of another form", line))?;
            match self.sources {
                Sources::All => {}
                Sources::One(None) => self.sources = Sources::One(Some(app)),
                Sources::One(Some(own)) if own == app => {}
                Sources::One(Some(_)) => return Err(Malformed::new("another app's line", line)),
            }
        }
        self.count += 1;
        Ok(())
    }
}

/// Where the message of the line begins that `bytes` begin with, and where it ends; nothing if the
/// count is not all there.
fn extent(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let mut length = 0;
    for (index, byte) in bytes.iter().take(DIGITS_MAX + 1).enumerate() {
        match byte {
            b'0'..=b'9' if index < DIGITS_MAX && (index, *byte) != (0, b'0') => {
                length = length * 10 + usize::from(byte - b'0');
            }
            b' ' if (1..=LINE_BYTES_MAX).contains(&length) => {
                return Ok(Some((index + 1, index + 1 + length)));
            }
            _ => return Err(Malformed::new("no octet count", bytes)),
        }
    }
    Ok(None)
}

/// The app of a line that has the form of those that the envelopes of a run become.
fn app_of(line: &[u8]) -> Option<usize> {
    let head = &line[..line.len().min(HEAD_BYTES_MAX)];
    // What is cut at the end cannot be part of what is looked at.
    let head = String::from_utf8_lossy(head);
    let words: Vec<_> = head.splitn(8, ' ').collect();
    let [_, timestamp, hostname, app, process, id, data, _] = words[..] else {
        return None;
    };
    let is_ours = is_time(timestamp)
        && (hostname, process, id, data) == ("-", "[APP/PROC/WEB/0]", "-", "[tags@47450");
    app_of_guid(app).filter(|_| is_ours)
}

/// To the microsecond, without zeros at the end.
fn is_time(text: &str) -> bool {
    const FORM: &str = "0000-00-00T00:00:00";
    let Some((seconds, rest)) = text.split_at_checked(FORM.len()) else {
        return false;
    };
    let is_form = |(byte, form): (u8, u8)| byte == form || form == b'0' && byte.is_ascii_digit();
    let is_fraction = |rest: &str| match rest.strip_prefix('.') {
        Some(digits) => {
            (1..=6).contains(&digits.len())
                && !digits.ends_with('0')
                && digits.bytes().all(|byte| byte.is_ascii_digit())
        }
        None => rest.is_empty(),
    };
    seconds.bytes().zip(FORM.bytes()).all(is_form)
        && rest.strip_suffix("+00:00").is_some_and(is_fraction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::app_guid;

    fn line(app: usize, text: &str) -> Vec<u8> {
        let guid = app_guid(app);
        let line = format!(
            "<14>1 2023-11-14T22:13:20.000001+00:00 - {guid} [APP/PROC/WEB/0] - [tags@47450 \
             ip=\"10.0.16.5\"] {text}\n"
        );
        [line.len().to_string().as_bytes(), b" ", line.as_bytes()].concat()
    }

    #[test]
    fn counts_alike_however_the_stream_is_cut() {
        let lines = ["", "5 ", "a\nb", &"long ".repeat(5000), "end"].map(|text| line(7, text));
        let stream = lines.concat();
        for piece_bytes in [1, 2, 3, 7, 131, 4096, stream.len()] {
            let mut lines = Lines::new(Sources::One(None));
            let pieces = stream.chunks(piece_bytes);
            let count: u64 = pieces.map(|piece| lines.take(piece).unwrap()).sum();
            assert_eq!((count, lines.count()), (5, 5), "in pieces of {piece_bytes}");
            assert_eq!((lines.app(), lines.is_whole()), (Some(7), true));
        }
    }

    #[test]
    fn a_line_counts_when_it_is_whole() {
        let one = line(7, "text");
        let mut lines = Lines::new(Sources::All);
        let (most, last) = one.split_at(one.len() - 1);
        assert_eq!(lines.take(most), Ok(0));
        assert!(!lines.is_whole());
        assert_eq!(lines.take(&[last, &one, b"12"].concat()), Ok(2));
        assert!(!lines.is_whole());
    }

    #[test]
    fn counts_are_strict() {
        for bytes in ["x", " 5", "05 abcde", "0 ", "5", "1234567 "] {
            let outcome = extent(bytes.as_bytes());
            assert_eq!(outcome.is_ok(), bytes == "5", "{bytes:?}: {outcome:?}");
        }
        extent(b"131073 ").unwrap_err();
        assert_eq!(extent(b"131072 "), Ok(Some((7, 131_079))));
    }

    #[test]
    fn another_apps_line_is_refused() {
        let mut lines = Lines::new(Sources::One(Some(7)));
        let error = lines.take(&line(8, "")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("another app's line: \"<14>1 2023"),
            "{error}"
        );
        let mut all = Lines::new(Sources::All);
        assert_eq!(all.take(&[line(7, ""), line(8, "")].concat()), Ok(2));
    }

    #[test]
    fn fractions_of_a_second_have_no_zeros_at_their_end() {
        for (fraction, expected) in [
            ("", true),
            (".5", true),
            (".000001", true),
            (".", false),
            (".10", false),
            (".1234567", false),
        ] {
            let time = format!("2023-11-14T22:13:20{fraction}+00:00");
            assert_eq!(is_time(&time), expected, "{time}");
        }
    }

    #[test]
    fn another_form_is_refused() {
        let good = String::from_utf8(line(7, "text")).unwrap();
        for (part, other) in [
            ("<14>1 ", "<11>1 "),
            ("text\n", "texts"),
            ("T22:13", " 22:13"),
            (" - 0000", " h 0000"),
            ("[APP/PROC/WEB/0]", "[APP/PROC/WEB/1]"),
            ("[tags@47450", "[tags@47451"),
            ("00000007-", "00000008-"),
        ] {
            let bad = good.replace(part, other);
            assert_ne!(bad, good);
            let outcome = Lines::new(Sources::All).take(bad.as_bytes());
            assert!(outcome.is_err(), "{part}");
        }
    }
}
