//! A v2 envelope's tags, of the old kind and the new, on their way to v1.

use std::collections::BTreeMap;

use crate::v2;
use crate::v2::value::Data;

/// Both kinds of tags of one v2 envelope.
///
/// Where both have a key, upstream is of two minds: asked for one tag it prefers `preferred`,
/// merging all it prefers `deprecated`.
#[derive(Debug)]
pub(super) struct Tags {
    pub(super) preferred: BTreeMap<String, String>,
    pub(super) deprecated: BTreeMap<String, v2::Value>,
}

impl Tags {
    /// The tag's value, or "" if there is none; afterwards there is none.
    pub(super) fn take(&mut self, key: &str) -> String {
        let preferred = self.preferred.remove(key);
        let deprecated = self.deprecated.remove(key);
        preferred
            .or_else(|| deprecated.and_then(text))
            .unwrap_or_default()
    }

    /// What is left. A deprecated tag without a value leaves a preferred one as it is.
    pub(super) fn merge(self) -> BTreeMap<String, String> {
        let mut merged = self.preferred;
        let deprecated = self.deprecated.into_iter();
        merged.extend(deprecated.filter_map(|(key, value)| Some((key, text(value)?))));
        merged
    }
}

fn text(value: v2::Value) -> Option<String> {
    Some(match value.data? {
        Data::Text(text) => text,
        Data::Integer(integer) => integer.to_string(),
        Data::Decimal(decimal) => fixed(decimal),
    })
}

/// Six decimals, as Go's `%f`, which differs from Rust's only in how it writes infinity.
fn fixed(decimal: f64) -> String {
    if decimal.is_infinite() {
        return if decimal > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    format!("{decimal:.6}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(data: Data) -> v2::Value {
        v2::Value { data: Some(data) }
    }

    fn tags(preferred: &[(&str, &str)], deprecated: &[(&str, v2::Value)]) -> Tags {
        let owned = |&(key, text): &(&str, &str)| (key.to_owned(), text.to_owned());
        let cloned = |(key, value): &(&str, v2::Value)| ((*key).to_owned(), value.clone());
        Tags {
            preferred: preferred.iter().map(owned).collect(),
            deprecated: deprecated.iter().map(cloned).collect(),
        }
    }

    #[test]
    fn decimals_are_written_as_go_writes_them() {
        let cases = [
            (0.5, "0.500000"),
            (-0.0, "-0.000000"),
            (1e-7, "0.000000"),
            (123_456_789.125, "123456789.125000"),
            (1e23, "99999999999999991611392.000000"),
            (f64::NAN, "NaN"),
            (-f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ];
        for (decimal, expected) in cases {
            assert_eq!(fixed(decimal), expected);
        }
    }

    #[test]
    fn exact_halves_of_the_last_decimal_go_to_the_even_digit() {
        assert_eq!(fixed(1.0 / 128.0), "0.007812"); // 0.0078125
        assert_eq!(fixed(3.0 / 128.0), "0.023438"); // 0.0234375
    }

    #[test]
    fn every_kind_of_value_is_written_as_text() {
        let kinds = [
            ("t", value(Data::Text("text".into()))),
            ("i", value(Data::Integer(i64::MIN))),
            ("d", value(Data::Decimal(0.25))),
            ("none", v2::Value::default()),
        ];
        let expected = [
            ("d", "0.250000"),
            ("i", "-9223372036854775808"),
            ("t", "text"),
        ];
        assert_eq!(tags(&[], &kinds).merge(), tags(&expected, &[]).preferred);

        let mut tags = tags(&[], &kinds);
        for (key, text) in expected {
            assert_eq!(tags.take(key), text);
        }
        assert_eq!(tags.take("none"), "");
        assert!(tags.merge().is_empty());
    }

    #[test]
    fn a_single_tag_is_the_preferred_one_and_is_gone_from_both() {
        let mut tags = tags(&[("k", "new")], &[("k", value(Data::Text("old".into())))]);
        assert_eq!(tags.take("k"), "new");
        assert_eq!(tags.take("k"), "");
        assert!(tags.merge().is_empty());
    }

    #[test]
    fn a_preferred_empty_tag_still_goes_before_a_deprecated_one() {
        let mut tags = tags(&[("k", "")], &[("k", value(Data::Integer(1)))]);
        assert_eq!(tags.take("k"), "");
    }

    #[test]
    fn merging_prefers_the_deprecated_tag_if_it_has_a_value() {
        let deprecated = [
            ("k", value(Data::Integer(1))),
            ("none", v2::Value::default()),
        ];
        let merged = tags(&[("k", "new"), ("none", "kept")], &deprecated).merge();
        assert_eq!(merged, tags(&[("k", "1"), ("none", "kept")], &[]).preferred);
    }
}
