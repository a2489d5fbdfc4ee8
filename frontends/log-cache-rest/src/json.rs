//! Log Cache's answers in JSON, byte for byte as upstream's gateway writes them: protobuf's form with
//! the names of the `.proto` files and with fields that are not set, and the shapes of Prometheus.

mod html;
mod meta;
mod prometheus;

pub(crate) use html::{push_html_string, push_html_text};
pub(crate) use meta::{Infos, meta, meta_in_camel_case, read_meta};
pub(crate) use prometheus::{NotATime, instant, range};

use hydrant_proto::json::{push_envelope, push_number, push_string};
use hydrant_proto::logcache::ReadResponse;

/// What was read.
pub(crate) fn read(response: &ReadResponse) -> String {
    let mut out = String::from("{\"envelopes\":{\"batch\":");
    let batch = response.envelopes.iter().flat_map(|it| &it.batch);
    push_list(&mut out, batch, push_envelope);
    out.push_str("}}\n");
    out
}

/// Why there is nothing, in gRPC's form.
pub(crate) fn status(code: i32, message: &str) -> String {
    let mut out = String::from("{\"code\":");
    push_number(&mut out, code);
    out.push_str(",\"message\":");
    push_string(&mut out, message);
    out.push_str(",\"details\":[]}\n");
    out
}

/// Why there is nothing, in Prometheus' form.
pub(crate) fn error(kind: &str, message: &str) -> String {
    let mut out = String::from("{\"status\":\"error\",\"errorType\":");
    push_html_string(&mut out, kind);
    out.push_str(",\"error\":");
    push_html_string(&mut out, message);
    out.push_str("}\n");
    out
}

fn push_list<T>(
    out: &mut String,
    items: impl IntoIterator<Item = T>,
    push: impl Fn(&mut String, T),
) {
    out.push('[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push(out, item);
    }
    out.push(']');
}

#[cfg(test)]
mod tests;
