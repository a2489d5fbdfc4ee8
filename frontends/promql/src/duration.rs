//! Durations: `1h30m`.

use crate::limits::DURATION_MS_MAX;

/// Units from the longest to the shortest, in ms; years have 365 days.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 60 * 60 * 1_000),
    ("w", 7 * 24 * 60 * 60 * 1_000),
    ("d", 24 * 60 * 60 * 1_000),
    ("h", 60 * 60 * 1_000),
    ("m", 60 * 1_000),
    ("s", 1_000),
    ("ms", 1),
];

/// In ms; none if it is no duration: numbers with units, each unit at most once, long ones first.
/// None too if it is longer than a century.
pub(crate) fn parse(text: &str) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    let (mut rest, mut units, mut sum) = (text, &UNITS[..], 0_i64);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let index = units.iter().position(|(name, _)| *name == unit)?;
        let part = number.parse::<i64>().ok()?.checked_mul(units[index].1)?;
        sum = sum.checked_add(part)?;
        (rest, units) = (after, &units[index + 1..]);
    }
    (sum <= DURATION_MS_MAX).then_some(sum)
}

/// Adds a duration of at least 0 ms, so that [`parse`] reads the same.
pub(crate) fn push(out: &mut String, duration_ms: i64) {
    let mut rest_ms = duration_ms;
    if rest_ms == 0 {
        return out.push_str("0s");
    }
    for (unit, ms) in UNITS {
        let count = rest_ms / ms;
        // Weeks and years only when nothing is left: 90d is read more easily than 12w6d.
        if count == 0 || (matches!(unit, "y" | "w") && rest_ms % ms != 0) {
            continue;
        }
        out.push_str(&count.to_string());
        out.push_str(unit);
        rest_ms %= ms;
    }
}
