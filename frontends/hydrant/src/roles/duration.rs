//! Go's durations as text (`time.ParseDuration` and `Duration.String`), with its limits and its
//! rounding: what upstream accepts means the same here.

use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

/// A span of time in nanoseconds, which may be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(i64);

/// Why a text is no duration, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Neither number nor unit, or too long a time.
    #[error("time: invalid duration {}", quoted(.0))]
    Invalid(String),
    /// A number without a unit; only `0` needs none.
    #[error("time: missing unit in duration {}", quoted(.0))]
    NoUnit(String),
    /// A unit that there is not.
    #[error("time: unknown unit {} in duration {}", quoted(.unit), quoted(.text))]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The whole text.
        text: String,
    },
}

const SECOND: u64 = 1_000_000_000;
/// Both signs that are read as micro: U+00B5 and U+03BC.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3600 * SECOND),
];
/// The amount of the least duration, one more than that of the greatest.
const AMOUNT_MAX: u64 = 1 << 63;

impl GoDuration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// Whole seconds.
    pub const fn from_secs(seconds: u32) -> Self {
        Self(seconds as i64 * SECOND.cast_signed())
    }

    /// The time to wait: none if it is negative.
    pub fn to_std(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let invalid = || DurationError::Invalid(text.to_owned());
        let negative = text.starts_with('-');
        let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
        if rest == "0" {
            return Ok(Self::ZERO);
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut amount = 0_u64;
        while !rest.is_empty() {
            let term = term(text, &mut rest)?;
            amount = amount
                .checked_add(term)
                .filter(|amount| *amount <= AMOUNT_MAX)
                .ok_or_else(invalid)?;
        }
        let nanos = if negative {
            0_i64.checked_sub_unsigned(amount)
        } else {
            i64::try_from(amount).ok()
        };
        nanos.map(Self).ok_or_else(invalid)
    }
}

/// Takes a number and its unit off `rest`; gives nanoseconds.
fn term(text: &str, rest: &mut &str) -> Result<u64, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let whole = take(rest, |c| c.is_ascii_digit());
    let fraction = match rest.strip_prefix('.') {
        Some(after) => {
            *rest = after;
            take(rest, |c| c.is_ascii_digit())
        }
        None => "",
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(invalid());
    }
    let unit_name = take(rest, |c| c != '.' && !c.is_ascii_digit());
    if unit_name.is_empty() {
        return Err(DurationError::NoUnit(text.to_owned()));
    }
    let known = UNITS.iter().find(|(name, _)| *name == unit_name);
    let (_, unit) = known.ok_or_else(|| DurationError::UnknownUnit {
        unit: unit_name.to_owned(),
        text: text.to_owned(),
    })?;
    let whole = match whole {
        "" => 0,
        digits => digits.parse::<u64>().ok().ok_or_else(invalid)?,
    };
    whole
        .checked_mul(*unit)
        .and_then(|amount| amount.checked_add(part_of(*unit, fraction)))
        .filter(|amount| *amount <= AMOUNT_MAX)
        .ok_or_else(invalid)
}

/// The longest start of `rest` that is of one kind.
fn take<'t>(rest: &mut &'t str, of_kind: impl Fn(char) -> bool) -> &'t str {
    let end = rest.find(|c| !of_kind(c)).unwrap_or(rest.len());
    let (taken, after) = rest.split_at(end);
    *rest = after;
    taken
}

/// The digits behind the point as a part of a unit, rounded as Go does: in floating point. Digits
/// that 63 bits do not hold are left out.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "Go's arithmetic; a part is positive and less than its unit"
)]
fn part_of(unit: u64, fraction: &str) -> u64 {
    let (mut digits, mut scale) = (0_u64, 1.0_f64);
    for digit in fraction.bytes().map(|byte| u64::from(byte - b'0')) {
        if digits > (AMOUNT_MAX - 1) / 10 || digits * 10 + digit > AMOUNT_MAX {
            break;
        }
        digits = digits * 10 + digit;
        scale *= 10.0;
    }
    (digits as f64 * (unit as f64 / scale)) as u64
}

impl Display for GoDuration {
    /// As Go prints it: `14m0s`, `1h2m3.5s`, `1.5ms`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => decimal(f, nanos, 1_000, "µs"),
            1_000_000..SECOND => decimal(f, nanos, 1_000_000, "ms"),
            _ => {
                let minutes = nanos / (60 * SECOND);
                match (minutes / 60, minutes % 60) {
                    (0, 0) => {}
                    (0, minutes) => write!(f, "{minutes}m")?,
                    (hours, minutes) => write!(f, "{hours}h{minutes}m")?,
                }
                decimal(f, nanos % (60 * SECOND), SECOND, "s")
            }
        }
    }
}

/// `nanos` in a unit, without zeros at the end.
fn decimal(f: &mut fmt::Formatter<'_>, nanos: u64, unit: u64, name: &str) -> fmt::Result {
    write!(f, "{}", nanos / unit)?;
    let fraction = nanos % unit;
    if fraction > 0 {
        let places = unit.ilog10() as usize;
        let digits = format!("{fraction:0places$}");
        write!(f, ".{}", digits.trim_end_matches('0'))?;
    }
    f.write_str(name)
}

/// A text between quotation marks, for errors.
pub(super) fn quoted(text: &str) -> String {
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nanos(text: &str) -> i64 {
        text.parse::<GoDuration>().unwrap().0
    }

    fn problem(text: &str) -> String {
        text.parse::<GoDuration>().unwrap_err().to_string()
    }

    #[test]
    fn reads_what_go_reads() {
        let cases = [
            ("0", 0),
            ("-0", 0),
            ("0s", 0),
            ("1m", 60_000_000_000),
            ("14m", 840_000_000_000),
            ("1h2m3.5s", 3_723_500_000_000),
            ("500ms", 500_000_000),
            ("1.5h", 5_400_000_000_000),
            ("+5.s", 5_000_000_000),
            ("-.5s", -500_000_000),
            ("0s5s", 5_000_000_000),
            ("12µs", 12_000),
            ("12μs", 12_000),
            ("12us", 12_000),
            ("7ns", 7),
            ("1h1h", 7_200_000_000_000),
            // Rounded in floating point, and digits beyond 63 bits left out.
            ("0.3333333333333333333h", 1_200_000_000_000),
            ("0.100000000000000000000h", 360_000_000_000),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
        ];
        for (text, expected) in cases {
            assert_eq!(nanos(text), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in [
            "", "-", "x", ".", "-.", ".s", "+.s", "1s x", "--1s", "1s-2s",
        ] {
            assert!(text.parse::<GoDuration>().is_err(), "{text}");
        }
        for text in ["9223372036854775808ns", "2562048h", "99999999999999999999s"] {
            assert_eq!(problem(text), format!("time: invalid duration \"{text}\""));
        }
        assert_eq!(problem("5"), "time: missing unit in duration \"5\"");
        assert_eq!(problem("1s5"), "time: missing unit in duration \"1s5\"");
        assert_eq!(problem("00"), "time: missing unit in duration \"00\"");
        let unknown = "time: unknown unit \"d\" in duration \"3d\"";
        assert_eq!(problem("3d"), unknown);
    }

    #[test]
    fn prints_as_go_prints() {
        let cases = [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (60_000_000_000, "1m0s"),
            (245_001_000_000, "4m5.001s"),
            (3_600_000_000_000, "1h0m0s"),
            (-1_500_000, "-1.5ms"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ];
        for (nanos, expected) in cases {
            assert_eq!(GoDuration(nanos).to_string(), expected);
        }
    }

    #[test]
    fn a_negative_time_is_no_wait() {
        assert_eq!(GoDuration(-5).to_std(), Duration::ZERO);
        assert_eq!(GoDuration::from_secs(60).to_std(), Duration::from_secs(60));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(nanos in any::<i64>()) {
            let duration = GoDuration(nanos);
            let read = duration.to_string().parse::<GoDuration>().unwrap();
            // Never more digits than the unit has places: the floats are whole numbers.
            prop_assert_eq!(read, duration);
        }

        #[test]
        fn no_text_is_too_much(text in ".{0,12}|-?([0-9]{0,20}\\.?[0-9]{0,22}[a-zµ]{0,2}){0,3}") {
            if let Ok(duration) = text.parse::<GoDuration>() {
                prop_assert_eq!(duration.to_string().parse(), Ok(duration));
            }
        }
    }
}
