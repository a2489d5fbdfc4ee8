//! Label matchers.

use crate::limits::REGEX_BYTES_MAX;
use crate::regexp;
use regex::{Regex, RegexBuilder};

/// The label by which data is found.
pub(crate) const SOURCE_ID: &str = "source_id";

/// How a label's value is compared.
#[derive(Clone, Debug)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, anchored at both ends.
    Regex(Regex),
    /// `!~`, anchored at both ends.
    NotRegex(Regex),
    /// `source_id=~"a|b"`: a list of ids as they are, as upstream; it says what has to be fetched.
    OneOf(Vec<String>),
}

impl MatchOp {
    /// `=~` of a label.
    pub(crate) fn regex(name: &str, value: &str) -> Result<Self, String> {
        if name == SOURCE_ID {
            return Ok(Self::OneOf(value.split('|').map(str::to_owned).collect()));
        }
        anchored(value).map(Self::Regex)
    }

    /// `!~`
    pub(crate) fn not_regex(value: &str) -> Result<Self, String> {
        anchored(value).map(Self::NotRegex)
    }
}

/// One condition of a selector.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The label's name.
    pub name: String,
    /// How it is compared.
    pub op: MatchOp,
    /// With what; of regular expressions the text as it was written.
    pub value: String,
}

impl Matcher {
    /// Whether a value (empty if there is no such label) is as the matcher wants it.
    pub fn is_match(&self, value: &str) -> bool {
        match &self.op {
            MatchOp::Equal => value == self.value,
            MatchOp::NotEqual => value != self.value,
            MatchOp::Regex(regex) => regex.is_match(value),
            MatchOp::NotRegex(regex) => !regex.is_match(value),
            MatchOp::OneOf(values) => values.iter().any(|one| one == value),
        }
    }

    /// The operator as it is written.
    pub fn symbol(&self) -> &'static str {
        match self.op {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex(_) | MatchOp::OneOf(_) => "=~",
            MatchOp::NotRegex(_) => "!~",
        }
    }
}

/// By what was written, since a regular expression has no equality.
impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.symbol(), &self.value) == (&other.name, other.symbol(), &other.value)
    }
}

/// A regular expression that has to match the whole value, as Prometheus anchors them.
pub(crate) fn anchored(regex: &str) -> Result<Regex, String> {
    let regex = format!("^(?:{regex})$");
    let built = RegexBuilder::new(&regex)
        .size_limit(REGEX_BYTES_MAX)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "regular expression is too large".to_owned(),
        other => {
            let problem = regexp::problem(&regex).unwrap_or_else(|| other.to_string());
            format!("error parsing regexp: {problem}")
        }
    })
}
