//! Queries and forms, as Go's `url.ParseQuery` reads them.

use crate::failure::Failure;
use crate::limits::{FORM_BYTES_MAX, FORM_TIMEOUT};
use form_urlencoded::Serializer;
use http_body_util::{BodyExt, Limited};
use hydrant_promql::quote;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use std::collections::BTreeMap;
use tokio::time::timeout;

/// The type of forms.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// Names and values, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    pairs: Vec<(String, String)>,
    /// Names of values that were not UTF-8; what was wrong in them is replaced.
    not_utf8: Vec<String>,
}

impl Form {
    /// Reads a query.
    ///
    /// # Errors
    /// The first thing wrong with it, in Go's words.
    pub(crate) fn parse(query: &str) -> Result<Self, String> {
        let (form, problem) = Self::parse_all(query);
        problem.map_or(Ok(form), Err)
    }

    /// Reads what can be read of a query.
    pub(crate) fn parse_some(query: &str) -> Self {
        Self::parse_all(query).0
    }

    /// What can be read, and the first thing that cannot.
    fn parse_all(query: &str) -> (Self, Option<String>) {
        let (mut form, mut problem) = (Self::default(), None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            if let Err(wrong) = form.push(pair) {
                problem.get_or_insert(wrong);
            }
        }
        (form, problem)
    }

    fn push(&mut self, pair: &str) -> Result<(), String> {
        if pair.contains(';') {
            return Err("invalid semicolon separator in query".to_owned());
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = String::from_utf8_lossy(&unescape(name)?).into_owned();
        let value = String::from_utf8(unescape(value)?).unwrap_or_else(|error| {
            self.not_utf8.push(name.clone());
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        });
        self.pairs.push((name, value));
        Ok(())
    }

    /// Whether all values of this name were UTF-8.
    pub(crate) fn is_utf8(&self, name: &str) -> bool {
        self.not_utf8.iter().all(|other| other != name)
    }

    /// The form in a request's body, then its query.
    pub(crate) async fn of_body(parts: &Parts, body: Incoming) -> Result<Self, String> {
        let body = timeout(FORM_TIMEOUT, Limited::new(body, FORM_BYTES_MAX).collect()).await;
        let body = body.or(Err("the form did not come in time"))?;
        let body = body.map_err(|error| format!("http: POST too large: {error}"))?;
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        let mut form = Self::parse(&body)?;
        let query = Self::of_query(parts)?;
        form.pairs.extend(query.pairs);
        form.not_utf8.extend(query.not_utf8);
        Ok(form)
    }

    /// The query of a request.
    pub(crate) fn of_query(parts: &Parts) -> Result<Self, String> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }

    /// Names, each once in the order of their first values, with all values.
    pub(crate) fn grouped(&self) -> Vec<(&str, Vec<&str>)> {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        let mut places = BTreeMap::new();
        for (name, value) in &self.pairs {
            let place = *places.entry(name).or_insert_with(|| {
                groups.push((name, Vec::new()));
                groups.len() - 1
            });
            groups[place].1.push(value);
        }
        groups
    }

    /// The first value; empty if there is none.
    pub(crate) fn first(&self, name: &str) -> &str {
        let mut pairs = self.pairs.iter();
        let first = pairs.find(|(known, _)| known == name);
        first.map_or("", |(_, value)| value)
    }

    /// Replaces all values of a name by one.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.pairs.retain(|(known, _)| known != name);
        self.pairs.push((name.to_owned(), value));
    }

    /// As Go encodes it: names in the order of their bytes, values of one in their own.
    pub(crate) fn encoded(&self) -> String {
        let mut pairs: Vec<_> = self.pairs.iter().collect();
        pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
        Serializer::new(String::new()).extend_pairs(pairs).finish()
    }
}

/// Whether a request has a form in its body, which then counts as if it were in the query.
pub(crate) fn has_form(parts: &Parts) -> bool {
    parts.method == hyper::Method::POST
        && parts.headers.get(CONTENT_TYPE).is_some_and(|it| it == FORM)
}

/// The form of a request that is read as `GET`.
pub(crate) async fn read(request: Request<Incoming>) -> Result<(Parts, Form), Failure> {
    let (parts, body) = request.into_parts();
    let form = match has_form(&parts) {
        true => Form::of_body(&parts, body).await,
        false => Form::of_query(&parts),
    };
    match form {
        Ok(form) => Ok((parts, form)),
        Err(problem) => Err(Failure::invalid(problem)),
    }
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let end = bytes.len().min(at + 2);
                let digits = str::from_utf8(&bytes[at..end]).unwrap_or_default();
                let is_hex = digits.len() == 2 && digits.bytes().all(|it| it.is_ascii_hexdigit());
                let Some(byte) = is_hex
                    .then(|| u8::from_str_radix(digits, 16).ok())
                    .flatten()
                else {
                    let wrong = String::from_utf8_lossy(&bytes[at - 1..end]).into_owned();
                    return Err(format!("invalid URL escape {}", quote(&wrong)));
                };
                out.push(byte);
                at += 2;
            }
            byte => out.push(*byte),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(query: &str) -> Result<Vec<(String, String)>, String> {
        Form::parse(query).map(|form| form.pairs)
    }

    #[test]
    fn queries_are_read_as_go_does() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(pairs(""), Ok(vec![]));
        let expected = vec![
            pair("a", "1 2"),
            pair("b", ""),
            pair("", "c"),
            pair("ä", "+="),
        ];
        assert_eq!(pairs("a=1+2&b&=c&&%c3%a4=%2B="), Ok(expected));
        for (query, problem) in [
            ("a=%zz", "invalid URL escape \"%zz\""),
            ("a=%", "invalid URL escape \"%\""),
            ("a=%2", "invalid URL escape \"%2\""),
            ("a=1;b=2", "invalid semicolon separator in query"),
        ] {
            assert_eq!(pairs(query), Err(problem.to_owned()), "{query}");
        }
    }

    #[test]
    fn what_can_be_read_is_read() {
        let form = Form::parse_some("a=%zz&b=1;c=2&d=%ff&e=5");
        assert_eq!((form.first("a"), form.first("b")), ("", ""));
        assert_eq!((form.first("d"), form.first("e")), ("\u{fffd}", "5"));
        assert!(!form.is_utf8("d") && form.is_utf8("e"));
    }

    #[test]
    fn queries_are_written_as_go_does() {
        let mut form = Form::parse("z=1&query=old&a=%3C&z=0&query=older").unwrap();
        form.set("query", "m{source_id=\"a b\"}".to_owned());
        let expected = "a=%3C&query=m%7Bsource_id%3D%22a+b%22%7D&z=1&z=0";
        assert_eq!(form.encoded(), expected);
        assert_eq!(form.first("z"), "1");
        assert_eq!(form.first("y"), "");
    }
}
