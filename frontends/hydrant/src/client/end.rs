//! How a connection ended.

use std::fmt;
use std::time::Duration;

/// How a connection ended, other than by us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The server closed it, with a code of RFC 6455 and a reason, both optional.
    Closed(Option<(u16, String)>),
    /// It was gone without a word.
    Gone,
    /// It broke, or something came that is no WebSocket's.
    Broken(String),
    /// Nothing came for so long, not even a ping.
    Silent(Duration),
}

/// By this code servers say that a reader was too slow, or did not answer pings.
const POLICY: u16 = 1008;
/// A good end. Upstream's Traffic Controller says no more than this to a reader that is too slow.
const NORMAL: u16 = 1000;

impl End {
    /// What else should be known about it.
    fn hint(&self) -> &'static str {
        match self {
            Self::Closed(Some((POLICY, reason))) if reason.is_empty() => {
                " (to a reader that is too slow)"
            }
            Self::Closed(Some((NORMAL, reason))) if reason.is_empty() => {
                " (a Traffic Controller says no more to a reader that is too slow)"
            }
            _ => "",
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(None) => f.write_str("the server closed the stream without a code"),
            Self::Closed(Some((code, reason))) => {
                write!(f, "the server closed the stream: {code}")?;
                if !reason.is_empty() {
                    write!(f, " {}", printable(reason))?;
                }
                f.write_str(self.hint())
            }
            Self::Gone => f.write_str("the connection was gone without a word"),
            Self::Broken(problem) => write!(f, "the connection broke: {problem}"),
            Self::Silent(time) => {
                let seconds = time.as_secs();
                write!(f, "nothing came for {seconds} s, not even a ping")
            }
        }
    }
}

/// A server's text, without what would steer a terminal.
pub(super) fn printable(text: &str) -> String {
    let visible = |char: char| if char.is_control() { ' ' } else { char };
    text.chars()
        .map(visible)
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_and_steer_no_terminal() {
        let end = End::Closed(Some((1008, "slow\u{1b}[2Jreader".into())));
        assert_eq!(
            end.to_string(),
            "the server closed the stream: 1008 slow [2Jreader"
        );
        let end = End::Closed(Some((1000, String::new())));
        assert!(end.to_string().contains("too slow"), "{end}");
    }
}
