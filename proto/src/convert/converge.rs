//! A v2 envelope's tags brought together under one of the two fields, as the Reverse Log Proxy does
//! it for readers that prefer one.

use crate::v2;
use crate::v2::value::Data;

/// Moves all tags to `tags`; of two with the same key the deprecated one counts. A tag without a
/// value is left out.
pub fn prefer_tags(envelope: &mut v2::Envelope) {
    let deprecated = std::mem::take(&mut envelope.deprecated_tags);
    let texts = deprecated
        .into_iter()
        .filter_map(|(key, value)| Some((key, text(value.data?))));
    envelope.tags.extend(texts);
}

/// Moves all tags to `deprecated_tags`, as texts; of two with the same key the other one counts.
pub fn deprecate_tags(envelope: &mut v2::Envelope) {
    let tags = std::mem::take(&mut envelope.tags);
    let values = tags.into_iter().map(|(key, text)| {
        let data = Some(Data::Text(text));
        (key, v2::Value { data })
    });
    envelope.deprecated_tags.extend(values);
}

fn text(data: Data) -> String {
    match data {
        Data::Text(text) => text,
        Data::Integer(integer) => integer.to_string(),
        Data::Decimal(decimal) => shortest(decimal),
    }
}

/// Go's `%v`: the fewest digits that read back the same, with an exponent below -4 and from 6 on.
fn shortest(decimal: f64) -> String {
    if decimal.is_nan() {
        return "NaN".to_owned();
    }
    if decimal.is_infinite() {
        return if decimal > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{decimal:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if decimal != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.unsigned_abs());
    }
    decimal.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_as_go_writes_them() {
        let cases = [
            (0.5, "0.5"),
            (0.0, "0"),
            (-0.0, "-0"),
            (100_000.0, "100000"),
            (999_999.5, "999999.5"),
            (1_000_000.0, "1e+06"),
            (-20_000_000.0, "-2e+07"),
            (1e21, "1e+21"),
            (1.25e22, "1.25e+22"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (-1.5e-300, "-1.5e-300"),
            (123_456_789.125, "1.23456789125e+08"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ];
        for (decimal, text) in cases {
            assert_eq!(shortest(decimal), text);
        }
    }

    #[test]
    fn of_two_tags_with_a_key_the_moved_one_counts() {
        let text = |text: &str| v2::Value {
            data: Some(Data::Text(text.into())),
        };
        let both = v2::Envelope {
            tags: [("a".into(), "new".into()), ("n".into(), "1".into())].into(),
            deprecated_tags: [
                ("a".into(), text("old")),
                (
                    "i".into(),
                    v2::Value {
                        data: Some(Data::Integer(-7)),
                    },
                ),
                ("none".into(), v2::Value { data: None }),
            ]
            .into(),
            ..Default::default()
        };
        let mut preferred = both.clone();
        prefer_tags(&mut preferred);
        assert!(preferred.deprecated_tags.is_empty());
        let expected = [("a", "old"), ("i", "-7"), ("n", "1")];
        let owned = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(preferred.tags, owned.into());

        let mut deprecated = both;
        deprecate_tags(&mut deprecated);
        assert!(deprecated.tags.is_empty());
        assert_eq!(deprecated.deprecated_tags["a"], text("new"));
        assert_eq!(deprecated.deprecated_tags["n"], text("1"));
        assert_eq!(deprecated.deprecated_tags.len(), 4);
    }
}
