//! JSON's text, from and as Go's `encoding/json`.

use super::WireError;
use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, Serializer};
use std::io::{self, Write};

/// Reads the first value of `json`; what comes after it is not looked at, as Go's decoder does not.
/// Bytes that are no UTF-8 become replacement characters.
pub(super) fn read<T: for<'de> Deserialize<'de>>(json: &[u8]) -> Result<T, WireError> {
    let json = String::from_utf8_lossy(json);
    let mut deserializer = serde_json::Deserializer::from_str(&json);
    T::deserialize(&mut deserializer).map_err(|error| WireError {
        line: error.line(),
        column: error.column(),
    })
}

/// Writes a value and a line feed.
pub(super) fn write<T: Serialize>(value: T) -> Vec<u8> {
    let mut json = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut json, AsGo);
    // Memory takes everything, and our types have no maps whose keys could be wrong.
    value.serialize(&mut serializer).ok();
    json.push(b'\n');
    json
}

/// Without blanks, and with what HTML and JavaScript would make something of escaped.
struct AsGo;

impl Formatter for AsGo {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['&', '<', '>', '\u{2028}', '\u{2029}']) {
            let (plain, escaped) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut characters = escaped.chars();
            let code = characters.next().map_or(0, u32::from);
            write!(writer, "\\u{code:04x}")?;
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}
