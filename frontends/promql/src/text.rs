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

/// A string as Go's `strconv.Quote` writes it, which is how upstream's errors show what was asked.
pub fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\'' => out.push(c),
            c => push_escaped(&mut out, c),
        }
    }
    out.push('"');
    out
}

/// A character as Go's `strconv.QuoteRune` writes it.
pub fn quote_char(c: char) -> String {
    let mut out = String::from("'");
    match c {
        '\'' => out.push_str("\\'"),
        '"' => out.push(c),
        c => push_escaped(&mut out, c),
    }
    out.push('\'');
    out
}

fn push_escaped(out: &mut String, c: char) {
    let code = u32::from(c);
    match c {
        '\\' => out.push_str("\\\\"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{b}' => out.push_str("\\v"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\0'..' ' | '\u{7f}' => out.push_str(&format!("\\x{code:02x}")),
        // What is shown at all is what Rust shows.
        c if c.escape_debug().len() == 1 => out.push(c),
        '\u{0}'..='\u{ffff}' => out.push_str(&format!("\\u{code:04x}")),
        _ => out.push_str(&format!("\\U{code:08x}")),
    }
}

/// Whether a query may have this as a label's name without quotes.
pub(crate) fn is_label_name(name: &str) -> bool {
    let mut chars = name.chars();
    let is_first = |c: char| c == '_' || c.is_ascii_alphabetic();
    chars.next().is_some_and(is_first) && chars.all(|c| is_first(c) || c.is_ascii_digit())
}
