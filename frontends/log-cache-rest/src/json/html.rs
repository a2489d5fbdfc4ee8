//! Strings as Go's encoding/json writes them: JSON that can stand in HTML.

use hydrant_proto::json::push_string;

/// As protobuf's form has it, and `<`, `>`, `&` and two separators of lines escaped.
pub(crate) fn push_html_string(out: &mut String, text: &str) {
    let mut plain = String::with_capacity(text.len() + 2);
    push_string(&mut plain, text);
    for character in plain.chars() {
        match character {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            other => out.push(other),
        }
    }
}

/// Text in HTML, as Go's `html.EscapeString`.
pub(crate) fn push_html_text(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&#39;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            other => out.push(other),
        }
    }
}
