//! Numbers as text: decimals, and floats in the form that Go's `%g` gives them.
//!
//! Receivers parse gauge values that upstream's Go has printed, so the choice between `100000` and
//! `1e+06` is part of the wire format.

use std::fmt::Arguments;
use std::io::Write;
use std::ops::Range;

/// Magnitudes that are written without an exponent: those whose first digit stands for 10^-4 to
/// 10^5. So is zero, as every whole number of few digits.
const PLAIN: Range<f64> = 1e-4..1e6;
/// Digits of the largest whole number in `PLAIN`.
const PLAIN_DIGITS_MAX: usize = 6;
/// 2^53: below it every whole number has a float of its own.
const WHOLE_END: f64 = 9_007_199_254_740_992.0;

/// The decimal digits of a number, kept in place so that a length can be asked before they are
/// written.
pub(super) struct Decimal {
    bytes: [u8; Self::BYTES_MAX],
    start: usize,
}

impl Decimal {
    /// Digits of `u64::MAX`.
    const BYTES_MAX: usize = 20;

    /// The digits of `value`, without leading zeros; zero is `0`.
    pub(super) fn of(value: u64) -> Self {
        let mut bytes = [0; Self::BYTES_MAX];
        let mut start = Self::BYTES_MAX;
        let mut rest = value;
        loop {
            start -= 1;
            bytes[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return Self { bytes, start };
            }
        }
    }

    /// Between 1 and 20 ASCII digits.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// Appends `value` in decimal.
pub(super) fn write_unsigned(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(Decimal::of(value).as_bytes());
}

/// Appends `value` in decimal, with `-` when it is negative.
pub(super) fn write_signed(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    write_unsigned(value.unsigned_abs(), out);
}

/// Appends the fewest digits that read back as `value`, as Go's `FormatFloat(value, 'g', -1, 64)`:
/// `d.ddde±XX` when the first digit stands for less than 10^-4 or more than 10^5, else plain.
pub(super) fn write_float(value: f64, out: &mut Vec<u8>) {
    let magnitude = value.abs();
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else if magnitude < WHOLE_END && magnitude.fract() == 0.0 {
        if value.is_sign_negative() {
            out.push(b'-');
        }
        write_whole(magnitude, out);
    } else if PLAIN.contains(&magnitude) {
        print(format_args!("{value}"), out);
    } else {
        write_scientific(value, out);
    }
}

/// The general rule for whole numbers, which bytes and counts are, without its price: below 2^53
/// no shorter number is near enough to one to read back as it, but for the zeros at its end.
fn write_whole(magnitude: f64, out: &mut Vec<u8>) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number from 0 to 2^53"
    )]
    let digits = Decimal::of(magnitude as u64);
    let digits = digits.as_bytes();
    if digits.len() <= PLAIN_DIGITS_MAX {
        out.extend_from_slice(digits);
        return;
    }
    let zero_count = digits
        .iter()
        .rev()
        .take_while(|digit| **digit == b'0')
        .count();
    let fraction = &digits[1..digits.len() - zero_count];
    out.push(digits[0]);
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction);
    }
    let exponent = digits.len() - 1;
    out.extend_from_slice(if exponent < 10 { b"e+0" } else { b"e+" });
    write_unsigned(exponent as u64, out);
}

/// Rust's `1.5e7` and `1e-5` with Go's exponent, which has a sign and two digits at least.
fn write_scientific(value: f64, out: &mut Vec<u8>) {
    let start = out.len();
    print(format_args!("{value:e}"), out);
    let digits = out[start..]
        .iter()
        .take_while(|byte| **byte != b'e')
        .count();
    let sign = start + digits + 1;
    if out[sign] != b'-' {
        out.insert(sign, b'+');
    }
    if out.len() - sign == 2 {
        out.insert(sign + 1, b'0');
    }
}

fn print(text: Arguments<'_>, out: &mut Vec<u8>) {
    out.write_fmt(text).expect("a Vec takes every byte");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn float(value: f64) -> String {
        let mut out = Vec::new();
        write_float(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_that_upstream_was_seen_to_print() {
        let observed = [
            (100_000.0, "100000"),
            (999_999.0, "999999"),
            (1_000_000.0, "1e+06"),
            (1_048_576.0, "1.048576e+06"),
            (123_456_789.125, "1.23456789125e+08"),
            (1e20, "1e+20"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (0.1 + 0.2, "0.30000000000000004"),
            (-0.0, "-0"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (12.5, "12.5"),
            (2_097_152.0, "2.097152e+06"),
            (1.0, "1"),
        ];
        for (value, text) in observed {
            assert_eq!(float(value), text);
        }
    }

    #[test]
    fn floats_at_the_edges_of_the_two_forms() {
        assert_eq!(float(9_999_999.0), "9.999999e+06");
        assert_eq!(float(-1e9), "-1e+09");
        assert_eq!(float(1e10), "1e+10");
        assert_eq!(float(1e15), "1e+15");
        assert_eq!(float(WHOLE_END - 1.0), "9.007199254740991e+15");
        assert_eq!(float(WHOLE_END), "9.007199254740992e+15");
        assert_eq!(float(0.0), "0");
        assert_eq!(float(-1_000_000.0), "-1e+06");
        assert_eq!(float(1e6_f64.next_down()), "999999.9999999999");
        assert_eq!(float(1e-4_f64.next_down()), "9.999999999999999e-05");
        assert_eq!(float(-0.0001), "-0.0001");
        assert_eq!(float(1e100), "1e+100");
        assert_eq!(float(f64::MAX), "1.7976931348623157e+308");
        assert_eq!(float(f64::MIN_POSITIVE), "2.2250738585072014e-308");
        assert_eq!(float(5e-324), "5e-324");
    }

    #[test]
    fn integers_at_their_bounds() {
        let mut out = Vec::new();
        write_unsigned(0, &mut out);
        write_unsigned(u64::MAX, &mut out);
        write_signed(i64::MIN, &mut out);
        write_signed(i64::MAX, &mut out);
        assert_eq!(
            out,
            b"018446744073709551615-92233720368547758089223372036854775807"
        );
    }

    /// Digits without sign, point and leading zeros, and the power of ten of the first of them.
    fn digits_and_exponent(value: f64) -> (String, i32) {
        let text = format!("{:e}", value.abs());
        let (digits, exponent) = text.split_once('e').unwrap();
        (digits.replace('.', ""), exponent.parse().unwrap())
    }

    proptest! {
        #[test]
        fn integers_agree_with_the_standard_library(unsigned: u64, signed: i64) {
            let mut out = Vec::new();
            write_unsigned(unsigned, &mut out);
            out.push(b' ');
            write_signed(signed, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("{unsigned} {signed}"));
        }

        #[test]
        fn floats_read_back_and_keep_the_rule(
            bits: u64,
            small in -1e7..1e7_f64,
            large in -2e16..2e16_f64,
        ) {
            for value in [f64::from_bits(bits), small, small / 1e9, small.trunc(), large.trunc()] {
                if value.is_finite() {
                    check_rule(value)?;
                }
            }
        }
    }

    fn check_rule(value: f64) -> Result<(), TestCaseError> {
        let text = float(value);
        prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
        let (digits, exponent) = digits_and_exponent(value);
        match text.split_once('e') {
            Some((mantissa, power)) => {
                prop_assert!(!(-4..6).contains(&exponent), "{} has an exponent", text);
                prop_assert_eq!(power, format!("{exponent:+03}"));
                prop_assert_eq!(mantissa.replace(['-', '.'], ""), digits);
            }
            None => {
                prop_assert!(
                    value == 0.0 || (-4..6).contains(&exponent),
                    "{} has none",
                    text
                );
            }
        }
        Ok(())
    }
}
