//! A query's tokens, with all that is in strings, numbers and durations. What is wrong with one of
//! them is found here, with its place, and so is whatever would take too much of the parser.

mod literal;

use crate::limits::{PARENTHESES_MAX, QUERY_BYTES_MAX, REGEXES_MAX, TOKENS_MAX};
use crate::matcher::{SOURCE_ID, anchored};
use crate::text::quote_char;
use crate::{duration, text};
use thiserror::Error;

/// Why a text is no query. The place is in bytes, from 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseError {
    /// Something is wrong at a place of a text that has one line.
    #[error("parse error at char {place}: {what}")]
    At {
        /// In bytes, from 1.
        place: usize,
        /// What is wrong there.
        what: String,
    },
    /// Something is wrong at a place of a text that has several lines.
    #[error("parse error at line {line}, char {place}: {what}")]
    AtLine {
        /// From 1.
        line: usize,
        /// In bytes of the line, from 1.
        place: usize,
        /// What is wrong there.
        what: String,
    },
    /// Something is wrong with an expression as a whole.
    #[error("parse error: {0}")]
    Somewhere(String),
}

impl ParseError {
    pub(crate) fn at(query: &str, at: usize, what: impl Into<String>) -> Self {
        let (what, before) = (what.into(), query.get(..at).unwrap_or(query));
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let place = before.len() - line_start + 1;
        if query.contains('\n') {
            let line = before.matches('\n').count() + 1;
            Self::AtLine { line, place, what }
        } else {
            Self::At { place, what }
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Word(String),
    Symbol(&'static str),
    Number(f64),
    DurationMs(i64),
    Text(String),
}

/// A token and where it begins, in bytes.
pub(crate) type Placed = (Token, usize);

/// Longer ones first.
const SYMBOLS: [&str; 24] = [
    "==", "!=", "<=", ">=", "=~", "!~", "+", "-", "*", "/", "%", "^", "(", ")", "{", "}", "[", "]",
    ",", "=", "<", ">", ":", "@",
];

/// All tokens of a query.
pub(crate) fn tokens(query: &str) -> Result<Vec<Placed>, ParseError> {
    if query.len() > QUERY_BYTES_MAX {
        let what = format!("query is longer than {QUERY_BYTES_MAX} bytes");
        return Err(ParseError::Somewhere(what));
    }
    let mut scan = Scan {
        query,
        at: 0,
        found: Vec::new(),
        open: Vec::new(),
        regexes: 0,
    };
    while scan.skip_blanks() {
        let start = scan.at;
        let token = scan
            .token()
            .map_err(|what| ParseError::at(query, start, what))?;
        scan.found.push((token, start));
        if scan.found.len() > TOKENS_MAX {
            return Err(ParseError::at(query, start, "query has too many parts"));
        }
    }
    scan.end()
}

struct Scan<'q> {
    query: &'q str,
    at: usize,
    found: Vec<Placed>,
    /// Brackets of all kinds that are open.
    open: Vec<&'static str>,
    regexes: usize,
}

impl Scan<'_> {
    fn rest(&self) -> &str {
        &self.query[self.at..]
    }

    /// Past blanks and comments; whether there is more.
    fn skip_blanks(&mut self) -> bool {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
            let is_comment = rest[blanks..].starts_with('#');
            self.at += blanks;
            if !is_comment {
                return !self.rest().is_empty();
            }
            self.at += self
                .rest()
                .find(['\n', '\r'])
                .unwrap_or_else(|| self.rest().len());
        }
    }

    fn token(&mut self) -> Result<Token, String> {
        let c = self.rest().chars().next().unwrap_or_default();
        let has_fraction = c == '.' && self.rest()[1..].starts_with(|c: char| c.is_ascii_digit());
        if self.is_in("[") && !c.is_ascii_digit() && !":]".contains(c) {
            Err(format!(
                "unexpected character inside brackets: {}",
                quote_char(c)
            ))
        } else if c.is_ascii_digit() || has_fraction {
            self.number()
        } else if c == '_' || c.is_ascii_alphabetic() || (c == ':' && !self.is_in("[")) {
            self.word()
        } else if "'\"`".contains(c) {
            self.text()
        } else {
            self.symbol()
        }
    }

    fn is_in(&self, bracket: &str) -> bool {
        self.open.last() == Some(&bracket)
    }

    fn word(&mut self) -> Result<Token, String> {
        let has_colons = !self.is_in("{");
        let ends = |c: char| !(c == '_' || c.is_ascii_alphanumeric() || (c == ':' && has_colons));
        let word = self.rest();
        let word = word[..word.find(ends).unwrap_or(word.len())].to_owned();
        if self.wants_duration() {
            // The library takes `inf` for a number of seconds, which it cannot make a duration of.
            return Err(format!("unexpected {word:?} in offset, expected duration"));
        }
        self.at += word.len();
        Ok(Token::Word(word))
    }

    fn number(&mut self) -> Result<Token, String> {
        let word = literal::number_word(self.rest()).to_owned();
        self.at += word.len();
        if self.wants_duration() {
            return match duration::parse(&word) {
                Some(0) => Err("duration must be greater than 0".to_owned()),
                Some(ms) => Ok(Token::DurationMs(ms)),
                None => Err(format!("bad duration syntax: {word:?}")),
            };
        }
        let number = literal::number(&word);
        number
            .map(Token::Number)
            .ok_or_else(|| format!("bad number or duration syntax: {word:?}"))
    }

    fn wants_duration(&self) -> bool {
        let mut before = self.found.iter().rev().map(|(token, _)| token).peekable();
        before.next_if(|token| matches!(token, Token::Symbol("+" | "-")));
        let is_offset =
            matches!(before.next(), Some(Token::Word(word)) if word.eq_ignore_ascii_case("offset"));
        self.is_in("[") || (is_offset && !self.is_in("{"))
    }

    fn text(&mut self) -> Result<Token, String> {
        let (value, bytes) = literal::text(self.rest())?;
        self.at += bytes;
        let mut before = self.found.iter().rev().map(|(token, _)| token);
        let op = before.next();
        if let (Some(Token::Symbol("=~")), Some(Token::Word(name))) = (op, before.next())
            && name == SOURCE_ID
        {
            return Ok(Token::Text(value)); // A list, no expression.
        }
        if let Some(Token::Symbol("=~" | "!~")) = op {
            anchored(&value)?;
            self.regexes += 1;
        }
        if self.regexes > REGEXES_MAX {
            return Err("query has too many regular expressions".to_owned());
        }
        Ok(Token::Text(value))
    }

    fn symbol(&mut self) -> Result<Token, String> {
        let known = |symbol: &&&str| self.rest().starts_with(**symbol);
        let Some(symbol) = SYMBOLS.iter().find(known) else {
            let c = self.rest().chars().next().unwrap_or_default();
            return Err(format!("unexpected character: {}", quote_char(c)));
        };
        self.at += symbol.len();
        self.follow(symbol)?;
        Ok(Token::Symbol(symbol))
    }

    /// Keeps count of what is open.
    fn follow(&mut self, symbol: &'static str) -> Result<(), String> {
        let is_inside = self.is_in("{");
        match symbol {
            "=~" | "!~" if !is_inside => Err(format!("unexpected {symbol:?} outside of braces")),
            "{" | "(" if is_inside => Err(format!("unexpected {symbol:?} inside braces")),
            "(" | "{" | "[" if self.open.len() == PARENTHESES_MAX => {
                Err("too many parentheses".to_owned())
            }
            "(" | "{" | "[" => {
                self.open.push(symbol);
                Ok(())
            }
            ")" => self.close("(", "unexpected right parenthesis ')'"),
            "}" => self.close("{", "unexpected right brace '}'"),
            "]" => self.close("[", "unexpected right bracket ']'"),
            _ => Ok(()),
        }
    }

    fn close(&mut self, opened: &str, otherwise: &str) -> Result<(), String> {
        if !self.is_in(opened) {
            return Err(otherwise.to_owned());
        }
        self.open.pop();
        Ok(())
    }

    fn end(self) -> Result<Vec<Placed>, ParseError> {
        let what = match self.open.last() {
            None if self.found.is_empty() => "no expression found in input",
            None => return Ok(self.found),
            Some(&"(") => "unclosed left parenthesis",
            Some(&"{") => "unexpected end of input inside braces",
            Some(_) => "unexpected end of input in brackets",
        };
        Err(ParseError::at(self.query, self.query.len(), what))
    }
}

/// The token as errors show it.
pub(crate) fn shown(token: &Token) -> String {
    match token {
        Token::Word(word) => format!("{word:?}"),
        Token::Symbol(symbol) => format!("{symbol:?}"),
        Token::Number(number) => format!("number {:?}", text::format_value(*number)),
        Token::DurationMs(ms) => {
            let mut shown = String::new();
            duration::push(&mut shown, *ms);
            format!("duration {shown:?}")
        }
        Token::Text(text) => format!("string {text:?}"),
    }
}
