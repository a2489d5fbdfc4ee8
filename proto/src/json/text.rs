//! JSON's strings and numbers, as Go's protojson writes them.

use std::fmt::{Display, Write};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Only what JSON demands is escaped: quotes, backslashes and what is below U+0020.
pub fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(index) = rest.bytes().position(is_escaped) {
        // An escaped byte is ASCII, so that a character starts before it and after it.
        out.push_str(&rest[..index]);
        push_escape(out, rest.as_bytes()[index]);
        rest = &rest[index + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

const fn is_escaped(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

fn push_escape(out: &mut String, byte: u8) {
    out.push('\\');
    match byte {
        b'\x08' => out.push('b'),
        b'\x0c' => out.push('f'),
        b'\n' => out.push('n'),
        b'\r' => out.push('r'),
        b'\t' => out.push('t'),
        b'"' | b'\\' => out.push(char::from(byte)),
        _ => {
            out.push_str("u00");
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 0xf)]));
        }
    }
}

/// A 64-bit integer: a string, because JavaScript's numbers have 53 bits.
pub fn push_quoted_number(out: &mut String, number: impl Display) {
    out.push('"');
    push_number(out, number);
    out.push('"');
}

/// A number as Rust writes it, which is JSON's way for integers.
pub fn push_number(out: &mut String, number: impl Display) {
    write!(out, "{number}").ok(); // A string takes everything.
}

/// The fewest digits that give the same double; with an exponent below 1e-6 and from 1e21 on.
pub(super) fn push_double(out: &mut String, double: f64) {
    let size = double.abs();
    if double.is_nan() {
        out.push_str("\"NaN\"");
    } else if double.is_infinite() {
        let name = if double > 0.0 {
            "\"Infinity\""
        } else {
            "\"-Infinity\""
        };
        out.push_str(name);
    } else if size >= 1e21 {
        push_large(out, double);
    } else if size > 0.0 && size < 1e-6 {
        push_number(out, format_args!("{double:e}"));
    } else {
        push_number(out, double);
    }
}

/// Go writes the sign of every exponent; Rust writes only minus.
fn push_large(out: &mut String, double: f64) {
    let start = out.len();
    push_number(out, format_args!("{double:e}"));
    if let Some(index) = out[start..].find('e') {
        out.insert(start + index + 1, '+');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> String {
        let mut out = String::new();
        push_string(&mut out, text);
        out
    }

    fn double(double: f64) -> String {
        let mut out = String::from("e");
        push_double(&mut out, double);
        out.split_off(1)
    }

    #[test]
    fn strings_escape_what_json_demands_and_no_more() {
        assert_eq!(string(""), r#""""#);
        assert_eq!(string("a\"b\\c/"), r#""a\"b\\c/""#);
        assert_eq!(string("\x08\x0c\n\r\t"), r#""\b\f\n\r\t""#);
        assert_eq!(string("\0\x01\x1f\x7f"), "\"\\u0000\\u0001\\u001f\x7f\"");
        assert_eq!(string("<&>\u{2028}é😀"), "\"<&>\u{2028}é😀\"");
    }

    #[test]
    fn doubles_are_as_go_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (-12.5, "-12.5"),
            (100_000.0, "100000"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (-1.5e300, "-1.5e+300"),
            (1e-6, "0.000001"),
            (9.5e-7, "9.5e-7"),
            (-1e-10, "-1e-10"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            assert_eq!(double(value), text);
        }
    }
}
