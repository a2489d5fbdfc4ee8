//! What the proxy has to know of a query: which sources it names, and what it says once others are
//! in their places.

use hydrant_promql::Query;
use std::collections::BTreeMap;

/// A query and the ids of the sources that its selectors name, each once.
///
/// # Errors
/// Why it is no query.
pub(crate) fn parse(text: &str) -> Result<(Query, Vec<String>), String> {
    let query = Query::parse(text).map_err(|error| error.to_string())?;
    let source_ids = query.source_ids();
    Ok((query, source_ids))
}

/// The query with the ids in `sets` in the place of each that it names.
pub(crate) fn rewrite(query: &Query, sets: &BTreeMap<String, Vec<String>>) -> String {
    let ids = |id: &str| sets.get(id).cloned().unwrap_or_default();
    query.rewrite(ids).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_guids() {
        let text = r#"m{source_id="a"} offset 1m + n{source_id=~"b|c",x!="y"}"#;
        let (query, ids) = parse(text).unwrap();
        assert_eq!(ids, ["a", "b", "c"]);
        let set = |id: &str, ids: &[&str]| {
            let ids = ids.iter().map(|&id| id.to_owned()).collect();
            (id.to_owned(), ids)
        };
        let sets = [
            set("a", &["g-1"]),
            set("b", &["g-2", "b"]),
            set("c", &["c"]),
        ];
        let rewritten = rewrite(&query, &sets.into());
        let (query, ids) = parse(&rewritten).unwrap();
        assert_eq!(ids, ["b", "c", "g-1", "g-2"]);
        assert!(rewritten.contains("offset 1m"), "{rewritten}");
        assert!(
            query.to_string().contains(r#"source_id="g-1""#),
            "{rewritten}"
        );
        assert_eq!(
            parse("").unwrap_err(),
            "parse error at char 1: no expression found in input"
        );
        assert!(parse("vector(1)").unwrap().1.is_empty());
    }
}
