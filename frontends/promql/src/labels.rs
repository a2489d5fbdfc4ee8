//! Labels, samples, series, and the name a metric goes by in a query.

use std::fmt;
use std::sync::Arc;

/// The label that holds a metric's name. Series have none; a query can make one by `label_replace`.
pub(crate) const METRIC_NAME: &str = "__name__";

/// A series' labels: sorted by name, each name once. Shared, so a clone costs a counter.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Labels(Arc<[(String, String)]>);

impl Labels {
    /// Sorts the labels; of several with one name the last counts.
    pub fn new(mut labels: Vec<(String, String)>) -> Self {
        labels.reverse();
        labels.sort_by(|a, b| a.0.cmp(&b.0));
        labels.dedup_by(|later, kept| later.0 == kept.0);
        Self(labels.into())
    }

    /// The value of a label; what is missing is empty, as everywhere in PromQL.
    pub fn get(&self, name: &str) -> &str {
        get(&self.0, name)
    }

    /// Name and value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The labels as a slice sorted by name.
    pub fn as_slice(&self) -> &[(String, String)] {
        &self.0
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0
            .binary_search_by(|label| (*label.0).cmp(name))
            .is_ok()
    }

    /// Only those, and of them only those that are not empty.
    pub(crate) fn only(&self, names: &[String]) -> Self {
        self.filtered(|name, value| !value.is_empty() && names.iter().any(|one| one == name))
    }

    /// Without those, and without the metric's name and what is empty.
    pub(crate) fn without(&self, names: &[String]) -> Self {
        self.filtered(|name, value| {
            !value.is_empty() && name != METRIC_NAME && names.iter().all(|one| one != name)
        })
    }

    /// What operators and functions leave of labels.
    pub(crate) fn nameless(&self) -> Self {
        if self.has(METRIC_NAME) {
            self.filtered(|name, _| name != METRIC_NAME)
        } else {
            self.clone()
        }
    }

    /// With a label of this value; without it if the value is empty.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let others = self.0.iter().filter(|label| label.0 != name);
        let mut labels: Vec<_> = others.cloned().collect();
        if !value.is_empty() {
            labels.push((name.to_owned(), value.to_owned()));
        }
        Self::new(labels)
    }

    fn filtered(&self, keep: impl Fn(&str, &str) -> bool) -> Self {
        let kept = self.0.iter().filter(|(name, value)| keep(name, value));
        Self(kept.cloned().collect())
    }
}

/// As errors and logs show labels: `{a="b", c="d"}`.
impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

/// The value of a label in labels that are sorted by name; empty if there is none.
pub(crate) fn get<'l>(labels: &'l [(String, String)], name: &str) -> &'l str {
    let found = labels.binary_search_by(|label| (*label.0).cmp(name));
    found.map_or("", |index| &labels[index].1)
}

/// A time in milliseconds since 1970, and a value.
pub type Sample = (i64, f64);

/// What is fetched for a selection.
///
/// # From an envelope to a sample
/// * A counter whose sanitised name is the metric gives its total, a gauge the value of the metric
///   whose sanitised name it is, a timer `stop - start` in ns. Logs and events give nothing.
/// * Labels are the envelope's tags as they are, then `source_id`, and `instance_id` unless it is
///   empty; these two replace tags of their names. Deprecated tags and units are no labels, and
///   there is no `__name__`.
/// * The time is the envelope's, cut to whole seconds. Samples with equal times are all kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Series with equal labels (of several nodes, or of counters and gauges with one name) become
    /// one.
    pub labels: Labels,
    /// By time. What is not in order is sorted; of equal times the later one is the newer.
    pub samples: Vec<Sample>,
}

/// A metric's name as queries write it: whatever is no letter, digit or underscore becomes an
/// underscore, and so does a digit in front.
pub fn sanitize(name: &str) -> String {
    sanitized(name).collect()
}

/// The same, a character at a time.
pub(crate) fn sanitized(name: &str) -> impl Iterator<Item = char> {
    name.chars().enumerate().map(|(index, c)| {
        let is_kept = c == '_' || c.is_ascii_alphabetic() || (index > 0 && c.is_ascii_digit());
        if is_kept { c } else { '_' }
    })
}
