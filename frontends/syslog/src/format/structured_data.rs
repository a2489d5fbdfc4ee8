//! STRUCTURED-DATA (RFC 5424 §6.3): elements under Cloud Foundry's enterprise number 47450.

use super::FormatLoss;
use super::bytes::{self, SD_NAME, UNESCAPED};
use super::number::{write_float, write_signed, write_unsigned};
use hydrant_feed::wire::sorted::Sorted;

/// An element that is being written. `close` ends it.
#[must_use = "an element is well formed only once it is closed"]
pub(super) struct Element<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Element<'o> {
    /// Opens the element `id`, which must be a valid SD-ID.
    pub(super) fn open(id: &str, out: &'o mut Vec<u8>) -> Self {
        out.push(b'[');
        out.extend_from_slice(id.as_bytes());
        Self { out }
    }

    /// A parameter whose value is text; `name` must be a valid SD-NAME.
    pub(super) fn text(self, name: &str, value: &[u8]) -> Self {
        self.param(name.as_bytes(), |out| write_escaped(value, out))
    }

    /// A parameter whose value is a decimal number.
    pub(super) fn unsigned(self, name: &str, value: u64) -> Self {
        self.param(name.as_bytes(), |out| write_unsigned(value, out))
    }

    /// A parameter whose value is a decimal number that may be negative.
    pub(super) fn signed(self, name: &str, value: i64) -> Self {
        self.param(name.as_bytes(), |out| write_signed(value, out))
    }

    /// A parameter whose value is a floating-point number.
    pub(super) fn float(self, name: &str, value: f64) -> Self {
        self.param(name.as_bytes(), |out| write_float(value, out))
    }

    /// Ends the element.
    pub(super) fn close(self) {
        self.out.push(b']');
    }

    fn param(self, name: &[u8], write_value: impl FnOnce(&mut Vec<u8>)) -> Self {
        self.out.push(b' ');
        self.out.extend_from_slice(name);
        self.out.extend_from_slice(b"=\"");
        write_value(self.out);
        self.out.push(b'"');
        self
    }
}

/// Appends the element `tags@47450` with every tag in the order of their names' bytes; an envelope
/// without tags has no such element.
///
/// # Errors
/// `ParamNameInvalid` when the name of a tag is no SD-NAME. Of RFC 5424's rules for one, its
/// length (1 to 32) is not kept: upstream sends the shorter and the longer too.
pub(super) fn write_tags(tags: &Sorted<'_, &[u8]>, out: &mut Vec<u8>) -> Result<(), FormatLoss> {
    if tags.is_empty() {
        return Ok(());
    }
    let mut element = Element::open("tags@47450", out);
    for (name, value) in tags.iter() {
        if !bytes::all(name, SD_NAME) {
            return Err(FormatLoss::ParamNameInvalid);
        }
        element = element.param(name, |out| write_escaped(value, out));
    }
    element.close();
    Ok(())
}

/// A backslash goes before `"`, `\` and `]` (RFC 5424 §6.3.3); line feeds stay as they are.
fn write_escaped(value: &[u8], out: &mut Vec<u8>) {
    if bytes::all(value, UNESCAPED) {
        out.extend_from_slice(value);
        return;
    }
    for byte in value {
        if !bytes::is(*byte, UNESCAPED) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
}
