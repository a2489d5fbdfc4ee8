//! Numbers as Go reads them, with which upstream does.

/// Whole and not negative, in decimal: `strconv.ParseUint(text, 10, 64)`.
pub(crate) fn unsigned(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// Whole, in decimal, with a sign or without: `strconv.ParseInt(text, 10, 64)`.
pub(crate) fn signed(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// `strconv.ParseFloat(text, 64)`: also infinities, NaN, hexadecimals with an exponent, and underscores
/// between digits. What is too large is no number.
pub(crate) fn float(text: &str) -> Option<f64> {
    let (sign, magnitude) = match text.strip_prefix(['+', '-']) {
        Some(magnitude) if text.starts_with('-') => (-1.0, magnitude),
        Some(magnitude) => (1.0, magnitude),
        None if text.eq_ignore_ascii_case("nan") => return Some(f64::NAN),
        None => (1.0, text),
    };
    if ["inf", "infinity"]
        .iter()
        .any(|word| magnitude.eq_ignore_ascii_case(word))
    {
        return Some(sign * f64::INFINITY);
    }
    let prefix = magnitude
        .get(..2)
        .filter(|prefix| prefix.eq_ignore_ascii_case("0x"));
    if !underscores_separate(magnitude, prefix.is_some()) {
        return None;
    }
    let digits = magnitude.replace('_', "");
    let value = match prefix {
        Some(prefix) => hexadecimal(&digits[prefix.len()..])?,
        None => decimal(&digits)?,
    };
    value.is_finite().then_some(sign * value)
}

/// Rust's grammar is Go's but for words and a second sign.
fn decimal(digits: &str) -> Option<f64> {
    let is_number = digits.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    digits.parse().ok().filter(|_| is_number)
}

/// Each underscore is between digits, of which the prefix is one.
fn underscores_separate(text: &str, is_hex: bool) -> bool {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| {
        let byte = bytes.get(at).copied().unwrap_or_default();
        byte.is_ascii_digit() || is_hex && (at == 1 || byte.is_ascii_hexdigit())
    };
    let places = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'_');
    let mut places = places.map(|(at, _)| at);
    places.all(|at| at > 0 && is_digit(at - 1) && is_digit(at + 1))
}

/// Digits after the prefix, with the exponent that Go demands.
fn hexadecimal(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once(['p', 'P'])?;
    let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if power.is_empty() || !power.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // More than this makes no difference to a number of as many digits as a message holds.
    let power = power.parse::<i64>().unwrap_or(i64::MAX).min(EXPONENT_MAX);
    let power = if exponent.starts_with('-') {
        -power
    } else {
        power
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let mut mantissa = Mantissa::default();
    for digit in whole.chars() {
        mantissa.push(digit.to_digit(16)?, false);
    }
    for digit in part.chars() {
        mantissa.push(digit.to_digit(16)?, true);
    }
    Some(mantissa.times_two_to(power))
}

const EXPONENT_MAX: i64 = 1 << 32;

/// A number of any length: its first bits, and where they stand.
#[derive(Default)]
struct Mantissa {
    bits: u64,
    /// `bits` are to be multiplied by two to the power of this.
    power: i64,
}

const SIGNIFICANT_BITS: i64 = 53;
/// The exponents of the smallest normal number and of the largest.
const EXPONENTS: (i64, i64) = (-1022, 1023);

impl Mantissa {
    fn push(&mut self, digit: u32, is_fraction: bool) {
        if self.bits >> 60 == 0 {
            self.bits = self.bits << 4 | u64::from(digit);
        } else {
            // What does not fit decides only how it is rounded.
            self.bits |= u64::from(digit != 0);
            self.power += 4;
        }
        self.power -= if is_fraction { 4 } else { 0 };
    }

    /// Rounded once, to even.
    fn times_two_to(&self, power: i64) -> f64 {
        if self.bits == 0 {
            return 0.0;
        }
        let zeros = self.bits.leading_zeros();
        let bits = self.bits << zeros;
        let power = power + self.power - i64::from(zeros);
        let exponent = power + 63;
        let (smallest, largest) = EXPONENTS;
        if exponent > largest {
            return f64::INFINITY;
        }
        let kept = SIGNIFICANT_BITS - (smallest - exponent).max(0);
        let Ok(dropped) = u32::try_from(64 - kept) else {
            return 0.0;
        };
        let kept = match dropped {
            0..64 => rounded(bits, dropped),
            64 => u64::from(bits > 1 << 63),
            _ => 0,
        };
        scaled(kept, power + i64::from(dropped))
    }
}

/// Without so many of the last bits, of which there are from 11 to 63.
const fn rounded(bits: u64, dropped: u32) -> u64 {
    let kept = bits >> dropped;
    let rest = bits & ((1 << dropped) - 1);
    let half = 1 << (dropped - 1);
    let is_up = rest > half || rest == half && kept & 1 == 1;
    kept + is_up as u64
}

/// Exact: the result has so many bits, and neither step leaves the range of normal numbers before it.
#[expect(clippy::cast_precision_loss, reason = "it has 53 bits at most")]
fn scaled(bits: u64, power: i64) -> f64 {
    let half = power / 2;
    let [first, second] = [half, power - half].map(|power| {
        let power = i32::try_from(power).unwrap_or(i32::MIN);
        2f64.powi(power)
    });
    bits as f64 * first * second
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_gos() {
        assert_eq!(unsigned("18446744073709551615"), Some(u64::MAX));
        for none in ["", "+1", "-1", "1.5", "1_0", " 1", "18446744073709551616"] {
            assert_eq!(unsigned(none), None, "{none:?}");
        }
        assert_eq!(signed("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(signed("+7"), Some(7));
        for none in ["", "-", "1_0", "9223372036854775808", "0x1"] {
            assert_eq!(signed(none), None, "{none:?}");
        }
    }

    #[test]
    fn floats_are_gos() {
        for (text, value) in [
            ("1e3", 1000.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("-0", -0.0),
            ("1_23.50_0_0e+1_2", 1.235e14),
            ("+Inf", f64::INFINITY),
            ("-infinity", f64::NEG_INFINITY),
            ("4.9e-324", f64::from_bits(1)),
            ("1e-400", 0.0),
            ("0x1p-1", 0.5),
            ("0X1.8P+1", 3.0),
            ("-0x.8p0", -0.5),
            ("0x_1_0p1_0", 16384.0),
            ("0x1p-1074", f64::from_bits(1)),
            ("0x1.8p-1074", f64::from_bits(2)),
            ("0x1p-1075", 0.0),
            ("0x1.000001p-1075", f64::from_bits(1)),
            ("0x1.fffffffffffffp1023", f64::MAX),
            ("0x1.fffffffffffff7p0", 2.0 - f64::EPSILON),
            ("0x1.fffffffffffff8p0", 2.0),
            (
                "0x123456789abcdef01p0",
                0x1234_5678_9abc_def0u64 as f64 * 16.0,
            ),
            ("0x0p99999999999999999999", 0.0),
        ] {
            let found = float(text).map(f64::to_bits);
            assert_eq!(found, Some(value.to_bits()), "{text}");
        }
        assert!(float("nAn").unwrap().is_nan());
        for none in [
            "",
            "+nan",
            "-NaN",
            ".",
            "e1",
            "1e",
            "--1",
            "+-1",
            "1 ",
            "infinit",
            "1e400",
            "0x",
            "0x1",
            "0xp1",
            "0x1p",
            "0x1p+",
            "_1",
            "1_",
            "1__0",
            "1_e1",
            "0x1p1024",
            "0x1.fffffffffffff8p1023",
            "0b1",
            "1d",
            "0x1.2.3p1",
        ] {
            assert_eq!(float(none), None, "{none:?}");
        }
    }
}
