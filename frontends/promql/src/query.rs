//! A query: parsed, asked for its source ids, rewritten, printed.

use crate::expr::{Expr, Selector};
use crate::matcher::{MatchOp, Matcher, SOURCE_ID};
use crate::parse::parse;
use crate::print::push_expr;
use crate::scan::ParseError;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// A parsed query. Its `Display` is the query again, with nothing lost.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub(crate) expr: Arc<Expr>,
}

impl Query {
    /// Parses a text of at most [`QUERY_BYTES_MAX`](crate::limits::QUERY_BYTES_MAX) bytes.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let expr = Arc::new(parse(text)?);
        Ok(Self { expr })
    }

    /// The source ids that its selectors name, by `source_id="a"` and `source_id=~"a|b"`, each once
    /// and in order. A selector that names none gets an error when it is planned.
    pub fn source_ids(&self) -> Vec<String> {
        let mut selectors = Vec::new();
        self.expr.selectors(&mut selectors);
        let matchers = selectors
            .into_iter()
            .flat_map(|selector| &selector.matchers);
        let ids: BTreeSet<_> = matchers.filter_map(listed).flatten().collect();
        ids.into_iter().collect()
    }

    /// The query with each source id replaced by those that `ids` gives for it, as the auth proxy
    /// does with names of apps. A matcher for whose ids `ids` gives nothing stays as it is.
    pub fn rewrite(&self, mut ids: impl FnMut(&str) -> Vec<String>) -> Self {
        let mut expr = Expr::clone(&self.expr);
        expr.change_selectors(&mut |selector: &mut Selector| {
            for matcher in &mut selector.matchers {
                let listed = listed(matcher).unwrap_or_default();
                let replaced = listed.iter().flat_map(|id| ids(id)).collect();
                replace(matcher, replaced);
            }
        });
        Self {
            expr: Arc::new(expr),
        }
    }
}

/// The ids of a matcher that lists some.
pub(crate) fn listed(matcher: &Matcher) -> Option<Vec<String>> {
    match &matcher.op {
        MatchOp::OneOf(ids) => Some(ids.clone()),
        MatchOp::Equal if matcher.name == SOURCE_ID => Some(vec![matcher.value.clone()]),
        _ => None,
    }
}

fn replace(matcher: &mut Matcher, mut ids: Vec<String>) {
    let mut seen = BTreeSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    match ids.len() {
        0 => {}
        1 => {
            matcher.value = ids.remove(0);
            matcher.op = MatchOp::Equal;
        }
        _ => {
            matcher.value = ids.join("|");
            matcher.op = MatchOp::OneOf(ids);
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        push_expr(&mut out, &self.expr);
        f.write_str(&out)
    }
}
