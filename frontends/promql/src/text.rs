//! How numbers and strings are written.

/// A number as Go's `FormatFloat(v, 'f', -1, 64)` writes it: the shortest digits that are read back
/// as the same number, never an exponent; `NaN`, `+Inf`, `-Inf`.
pub fn format_value(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        (if value > 0.0 { "+Inf" } else { "-Inf" }).to_owned()
    } else {
        value.to_string()
    }
}

/// A string as a query writes it, in double quotes. Any string can be written so.
pub(crate) fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Whether a query may have this as a label's name without quotes.
pub(crate) fn is_label_name(name: &str) -> bool {
    let mut chars = name.chars();
    let is_first = |c: char| c == '_' || c.is_ascii_alphabetic();
    chars.next().is_some_and(is_first) && chars.all(|c| is_first(c) || c.is_ascii_digit())
}
