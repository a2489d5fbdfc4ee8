//! A place in a message.

use super::ParseError;
use std::borrow::Cow;

/// Goes forward only.
#[derive(Debug)]
pub(super) struct Cursor<'m> {
    bytes: &'m [u8],
    at: usize,
}

impl<'m> Cursor<'m> {
    pub(super) const fn new(bytes: &'m [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'m [u8] {
        &self.bytes[self.at..]
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// That something else should be here.
    pub(super) const fn expected(&self, expected: &'static str) -> ParseError {
        ParseError {
            expected,
            at: self.at,
        }
    }

    /// Goes over a byte if it is here.
    pub(super) fn skip(&mut self, byte: u8) -> bool {
        let is_here = self.peek() == Some(byte);
        self.at += usize::from(is_here);
        is_here
    }

    pub(super) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), ParseError> {
        match self.skip(byte) {
            true => Ok(()),
            false => Err(self.expected(expected)),
        }
    }

    /// Digits, as many as there are.
    pub(super) fn digits(&mut self) -> &'m [u8] {
        self.take_while(|byte| byte.is_ascii_digit())
    }

    /// As many of those digits as a field of fixed width has.
    pub(super) fn number(
        &mut self,
        digits: usize,
        expected: &'static str,
    ) -> Result<i16, ParseError> {
        let field = self.rest().get(..digits);
        let field = field.filter(|field| field.iter().all(u8::is_ascii_digit));
        let field = field.ok_or_else(|| self.expected(expected))?;
        self.at += digits;
        let value = |value: i16, digit: &u8| value * 10 + i16::from(digit - b'0');
        Ok(field.iter().fold(0, value))
    }

    /// A word of the header and the space after it; none if it is nil.
    pub(super) fn word(&mut self, what: &'static str) -> Result<Option<&'m str>, ParseError> {
        let word = self.printable(what, |_| true)?;
        self.expect(b' ', what)?;
        Ok((word != "-").then_some(word))
    }

    /// SD-NAME.
    pub(super) fn name(&mut self, what: &'static str) -> Result<&'m str, ParseError> {
        self.printable(what, |byte| !matches!(byte, b'=' | b']' | b'"'))
    }

    fn printable(
        &mut self,
        what: &'static str,
        is_of_it: impl Fn(u8) -> bool,
    ) -> Result<&'m str, ParseError> {
        let at = self.at;
        let taken = self.take_while(|byte| byte.is_ascii_graphic() && is_of_it(byte));
        let text = std::str::from_utf8(taken).ok();
        let text = text.filter(|text| !text.is_empty());
        text.ok_or(ParseError { expected: what, at })
    }

    /// PARAM-VALUE and the quotation mark after it.
    pub(super) fn value(&mut self) -> Result<Cow<'m, str>, ParseError> {
        let start = self.at;
        let plain = self.take_while(|byte| !matches!(byte, b'"' | b']' | b'\\'));
        if self.skip(b'"') {
            return utf8(plain, start).map(Cow::Borrowed);
        }
        let mut value = utf8(plain, start)?.to_owned();
        while self.skip(b'\\') {
            let Some(escaped @ (b'"' | b']' | b'\\')) = self.peek() else {
                return Err(self.expected("one of `\"`, `\\` and `]` after `\\`"));
            };
            value.push(char::from(escaped));
            self.at += 1;
            let at = self.at;
            let plain = self.take_while(|byte| !matches!(byte, b'"' | b']' | b'\\'));
            value.push_str(utf8(plain, at)?);
        }
        self.expect(b'"', "the end of PARAM-VALUE")?;
        Ok(Cow::Owned(value))
    }

    fn take_while(&mut self, is_wanted: impl Fn(u8) -> bool) -> &'m [u8] {
        let rest = self.rest();
        let end = rest.iter().position(|byte| !is_wanted(*byte));
        let taken = &rest[..end.unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }
}

fn utf8(bytes: &[u8], start: usize) -> Result<&str, ParseError> {
    std::str::from_utf8(bytes).map_err(|error| ParseError {
        expected: "UTF-8",
        at: start + error.valid_up_to(),
    })
}
