//! From a text to a tree, by way of `promql-parser`.
//!
//! The library is given the query's skeleton: strings and durations are replaced by numbers that
//! say where in the list of tokens they stand. So it decides what is a sentence of the language,
//! and nothing else: it unquotes nothing, compiles no regular expression and calculates no
//! duration, which it does in ways of its own and not without panics.

mod lower;

use crate::expr::Expr;
use crate::limits::LOCATED_TOKENS_MAX;
use crate::scan::{ParseError, Placed, Token, shown, tokens};

/// What the library says of texts that are no sentence.
const NO_SENTENCE: &str = "invalid promql query";

/// The library knows this function by its newer name only.
const RENAMED: (&str, &str) = ("holt_winters", "double_exponential_smoothing");

/// The tree of a query.
pub(crate) fn parse(query: &str) -> Result<Expr, ParseError> {
    let tokens = tokens(query)?;
    let tree = promql_parser::parser::parse(&skeleton(&tokens));
    let tree = tree.map_err(|what| located(query, &tokens, &what))?;
    lower::lower(&tree, &tokens).map_err(|what| located(query, &tokens, &what))
}

/// Strings and durations by their places in the list, from 1.
fn skeleton(tokens: &[Placed]) -> String {
    let (mut out, mut open) = (String::new(), None);
    for (index, (token, _)) in tokens.iter().enumerate() {
        match token {
            Token::Word(word) if word == RENAMED.0 => out.push_str(RENAMED.1),
            Token::Word(word) => out.push_str(word),
            Token::Symbol(symbol) => out.push_str(symbol),
            Token::Number(number) => out.push_str(&format!("{number:?}")),
            Token::DurationMs(_) => out.push_str(&format!("{}ms", index + 1)),
            Token::Text(_) => out.push_str(&format!("\"{}\"", index + 1)),
        }
        match token {
            Token::Symbol("{" | "[") => open = Some(index),
            Token::Symbol("}" | "]") => open = None,
            _ => {}
        }
        // The library takes `or` and a blank in braces, and a blank in brackets before a colon,
        // amiss.
        if open.is_none() {
            out.push(' ');
        }
    }
    out
}

/// The place of an error, as far as it can be told: the library tells none.
fn located(query: &str, tokens: &[Placed], what: &str) -> ParseError {
    if what == NO_SENTENCE {
        return unexpected(query, tokens);
    }
    let what = in_prometheus_words(what);
    let function = what.strip_prefix("unknown function with name ");
    let function = function.map(|quoted| quoted.trim_matches('"'));
    let is_named = |(token, _): &&Placed| match token {
        Token::Word(word) => Some(word.as_str()) == function,
        _ => false,
    };
    match tokens.iter().find(is_named) {
        Some((_, at)) => ParseError::at(query, *at, what),
        None => ParseError::Somewhere(what),
    }
}

/// Without the placeholders that the library may have put into it.
fn in_prometheus_words(what: &str) -> String {
    if what.starts_with("metric name must not be set twice") {
        return "metric name must not be set twice".to_owned();
    }
    let what = what
        .replace('\'', "\"")
        .replace("matrix selector", "range vector selector");
    ["type ", "got ", "an "].iter().fold(what, |what, word| {
        what.replace(&format!("{word}vector"), &format!("{word}instant vector"))
            .replace(&format!("{word}matrix"), &format!("{word}range vector"))
    })
}

/// The token that is wrong is the one after the longest beginning that is a sentence, if what is
/// open in it is closed.
fn unexpected(query: &str, tokens: &[Placed]) -> ParseError {
    let first = tokens.len().saturating_sub(LOCATED_TOKENS_MAX).max(1);
    let mut counts = (first..tokens.len()).rev();
    let wrong = match counts.find(|count| is_beginning(&tokens[..*count])) {
        Some(count) => &tokens[count],
        None if begins_nothing(&tokens[0].0) => &tokens[0],
        None => return ParseError::Somewhere("unexpected expression".to_owned()),
    };
    match wrong {
        (Token::Symbol(_), at) if tokens.last().is_some_and(|(_, last)| last == at) => {
            ParseError::at(query, query.len(), "unexpected end of input")
        }
        (token, at) => ParseError::at(query, *at, format!("unexpected {}", shown(token))),
    }
}

/// Whether no expression begins so.
fn begins_nothing(token: &Token) -> bool {
    matches!(token, Token::Symbol(symbol) if !["(", "{", "+", "-"].contains(symbol))
}

fn is_beginning(tokens: &[Placed]) -> bool {
    let mut closing = Vec::new();
    for (token, _) in tokens {
        match token {
            Token::Symbol("(") => closing.push(")"),
            Token::Symbol("{") => closing.push("}"),
            Token::Symbol("[") => closing.push("]"),
            Token::Symbol(")" | "}" | "]") => drop(closing.pop()),
            _ => {}
        }
    }
    let closing: String = closing.into_iter().rev().collect();
    let parsed = promql_parser::parser::parse(&(skeleton(tokens) + &closing));
    // What it says of types does not matter here.
    parsed.err().is_none_or(|what| what != NO_SENTENCE)
}
