//! Lines on stderr as Go's log package writes them, which scripts and upstream's tests look for.

use jiff::Zoned;
use jiff::tz::TimeZone;
use std::fmt::Display;
use std::io::Write;

/// How a line starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// `2006/01/02 15:04:05`, local time.
    Seconds,
    /// `2006/01/02 15:04:05.000000`, local time.
    Microseconds,
    /// `2006-01-02T15:04:05.000000000Z`, UTC: what `USE_RFC339` asks for.
    Rfc3339,
}

/// The log of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log(Stamp);

impl Log {
    /// A log whose lines start so.
    pub const fn new(stamp: Stamp) -> Self {
        Self(stamp)
    }

    /// Writes a line.
    pub fn line(self, message: impl Display) {
        let line = format!("{} {message}\n", self.0.at(&Zoned::now()));
        // A log that nobody takes is no reason to stop.
        std::io::stderr().write_all(line.as_bytes()).ok();
    }

    /// Writes each line of a text as a line.
    pub fn lines(self, text: impl Display) {
        text.to_string().lines().for_each(|line| self.line(line));
    }
}

/// Writes a line that starts with nothing.
pub(super) fn plain(message: impl Display) {
    let line = format!("{message}\n");
    // As above.
    std::io::stderr().write_all(line.as_bytes()).ok();
}

impl Stamp {
    fn at(self, now: &Zoned) -> String {
        match self {
            Self::Seconds => now.strftime("%Y/%m/%d %H:%M:%S").to_string(),
            Self::Microseconds => now.strftime("%Y/%m/%d %H:%M:%S.%6f").to_string(),
            Self::Rfc3339 => {
                let utc = now.with_time_zone(TimeZone::UTC);
                utc.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use jiff::tz::offset;

    #[test]
    fn lines_start_as_gos() {
        let moment: Timestamp = "2026-01-02T03:04:05.000067008Z".parse().unwrap();
        let here = moment.to_zoned(offset(2).to_time_zone());
        assert_eq!(Stamp::Seconds.at(&here), "2026/01/02 05:04:05");
        assert_eq!(Stamp::Microseconds.at(&here), "2026/01/02 05:04:05.000067");
        let utc = "2026-01-02T03:04:05.000067008Z";
        assert_eq!(Stamp::Rfc3339.at(&here), utc);
    }
}
