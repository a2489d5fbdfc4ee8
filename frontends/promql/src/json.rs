//! Answers as Prometheus' HTTP API has them, byte for byte as the gateway of Log Cache writes them.

use crate::labels::{Labels, Sample};
use crate::print::seconds;
use crate::text::format_value;
use crate::value::Value;

/// A successful answer, with a newline at its end. Times are seconds with three digits behind the
/// point, values are strings without exponents, and labels lie in the order of their names.
pub fn success(value: &Value) -> String {
    let mut out = String::from("{\"status\":\"success\",\"data\":{\"resultType\":\"");
    match value {
        Value::Scalar(sample) => {
            out.push_str("scalar\",\"result\":");
            push_sample(&mut out, *sample);
        }
        Value::Vector(vector) => {
            out.push_str("vector\",\"result\":");
            push_list(&mut out, vector, |out, (labels, sample)| {
                push_metric(out, labels);
                out.push_str(",\"value\":");
                push_sample(out, *sample);
                out.push('}');
            });
        }
        Value::Matrix(matrix) => {
            out.push_str("matrix\",\"result\":");
            push_list(&mut out, matrix, |out, series| {
                push_metric(out, &series.labels);
                out.push_str(",\"values\":");
                push_list(out, &series.samples, |out, sample| {
                    push_sample(out, *sample);
                });
                out.push('}');
            });
        }
    }
    out.push_str("}}\n");
    out
}

/// An answer that is an error: of the gateway with `internal`, of the auth proxy with `bad_data`
/// (and there without the newline that is at its end).
pub fn error(error_type: &str, text: &str) -> String {
    let mut out = String::from("{\"status\":\"error\",\"errorType\":");
    push_string(&mut out, error_type);
    out.push_str(",\"error\":");
    push_string(&mut out, text);
    out.push_str("}\n");
    out
}

fn push_list<T>(out: &mut String, items: &[T], push: impl Fn(&mut String, &T)) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        push(out, item);
    }
    out.push(']');
}

/// Up to where the value or values follow.
fn push_metric(out: &mut String, labels: &Labels) {
    out.push_str("{\"metric\":{");
    for (index, (name, value)) in labels.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        push_string(out, name);
        out.push(':');
        push_string(out, value);
    }
    out.push('}');
}

fn push_sample(out: &mut String, (time_ms, value): Sample) {
    out.push('[');
    out.push_str(&seconds(time_ms));
    out.push_str(",\"");
    out.push_str(&format_value(value));
    out.push_str("\"]");
}

/// As Go's `encoding/json`, which is made for pages of HTML.
fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
