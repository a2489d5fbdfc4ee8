//! RFC 5424's grammar, read from bytes. Values are not copied unless they have escapes in them.

mod cursor;
mod timestamp;

use cursor::Cursor;
use std::borrow::Cow;

/// A syslog message. What is nil (`-`) is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'m> {
    /// PRI: 0 to 191.
    pub priority: u8,
    /// TIMESTAMP in nanoseconds since 1970, of which it names the micros.
    pub timestamp: Option<i128>,
    /// APP-NAME.
    pub app_name: Option<&'m str>,
    /// PROCID.
    pub proc_id: Option<&'m str>,
    /// STRUCTURED-DATA, each id once.
    pub elements: Vec<Element<'m>>,
    /// MSG: any bytes; empty if there is none.
    pub text: &'m [u8],
}

/// An element of STRUCTURED-DATA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element<'m> {
    /// SD-ID.
    pub id: &'m str,
    /// Names and values. A name may be there more than once; the last one counts.
    pub params: Vec<(&'m str, Cow<'m, str>)>,
}

impl Element<'_> {
    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        let params = self.params.iter().rev();
        let mut found = params.filter(|(known, _)| *known == name);
        found.next().map(|(_, value)| &**value)
    }
}

/// Bytes that are no RFC 5424: what was expected, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{expected} expected at byte {at}")]
pub struct ParseError {
    /// What should stand there.
    pub expected: &'static str,
    /// How many bytes come before it.
    pub at: usize,
}

/// VERSION has no more digits.
const VERSION_DIGITS_MAX: usize = 3;
const PRIORITY_MAX: u8 = 191;

impl<'m> Message<'m> {
    /// Reads a message: all of it, or nothing.
    ///
    /// Names may be longer than RFC 5424 has them, as long as the message; HOSTNAME, MSGID and VERSION
    /// are read and forgotten.
    ///
    /// # Errors
    /// The first thing that is not as the grammar has it.
    pub fn parse(bytes: &'m [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(bytes);
        let priority = priority(&mut cursor)?;
        version(&mut cursor)?;
        cursor.expect(b' ', "a space after VERSION")?;
        let timestamp = timestamp::read(&mut cursor)?;
        cursor.expect(b' ', "a space after TIMESTAMP")?;
        cursor.word("HOSTNAME")?;
        let app_name = cursor.word("APP-NAME")?;
        let proc_id = cursor.word("PROCID")?;
        cursor.word("MSGID")?;
        let elements = elements(&mut cursor)?;
        let text = text(&mut cursor)?;
        Ok(Self {
            priority,
            timestamp,
            app_name,
            proc_id,
            elements,
            text,
        })
    }
}

fn priority(cursor: &mut Cursor<'_>) -> Result<u8, ParseError> {
    cursor.expect(b'<', "PRI")?;
    let expected = "a priority from 0 to 191";
    let at = cursor.at();
    let digits = cursor.digits();
    let is_canonical = digits == b"0" || !digits.starts_with(b"0");
    let value = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse::<u8>().ok())
        .filter(|value| is_canonical && *value <= PRIORITY_MAX);
    let value = value.ok_or(ParseError { expected, at })?;
    cursor.expect(b'>', "the end of PRI")?;
    Ok(value)
}

fn version(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    let at = cursor.at();
    let digits = cursor.digits();
    let is_one = (1..=VERSION_DIGITS_MAX).contains(&digits.len()) && digits[0] != b'0';
    let expected = "a version from 1 to 999";
    is_one.then_some(()).ok_or(ParseError { expected, at })
}

fn elements<'m>(cursor: &mut Cursor<'m>) -> Result<Vec<Element<'m>>, ParseError> {
    let mut elements = Vec::<Element<'m>>::new();
    if cursor.skip(b'-') {
        return Ok(elements);
    }
    if cursor.peek() != Some(b'[') {
        return Err(cursor.expected("STRUCTURED-DATA"));
    }
    while cursor.skip(b'[') {
        let at = cursor.at();
        let element = element(cursor)?;
        if elements.iter().any(|known| known.id == element.id) {
            let expected = "another SD-ID, not one twice,";
            return Err(ParseError { expected, at });
        }
        elements.push(element);
    }
    Ok(elements)
}

/// What is between the brackets, and the second one.
fn element<'m>(cursor: &mut Cursor<'m>) -> Result<Element<'m>, ParseError> {
    let id = cursor.name("SD-ID")?;
    let mut params = Vec::new();
    while cursor.skip(b' ') {
        let name = cursor.name("PARAM-NAME")?;
        cursor.expect(b'=', "`=` after PARAM-NAME")?;
        cursor.expect(b'"', "a quotation mark before PARAM-VALUE")?;
        params.push((name, cursor.value()?));
    }
    cursor.expect(b']', "the end of an element")?;
    Ok(Element { id, params })
}

fn text<'m>(cursor: &mut Cursor<'m>) -> Result<&'m [u8], ParseError> {
    if cursor.peek().is_some() {
        cursor.expect(b' ', "a space before MSG")?;
    }
    Ok(cursor.rest())
}

#[cfg(test)]
mod tests;
