use crate::Query;

fn printed(query: &str) -> String {
    let query = Query::parse(query).unwrap();
    let printed = query.to_string();
    assert_eq!(Query::parse(&printed).unwrap(), query, "{printed}");
    printed
}

#[test]
fn nothing_is_lost_in_print() {
    for query in [
        "sum by (instance_id) (count_over_time(http{source_id=\"a\",peer_type=\"Client\"}[40s])) / 40",
        "max_over_time(rate(m{source_id=\"a\"}[5m])[30m:1m] @ 12.500 offset 5m)",
        "m{source_id=\"a\"}[5m:] offset -1m",
        "m{source_id=\"a\"} @ start() offset 1h30m",
        "m{source_id=\"a\"} @ -1.500",
        "a{x=\"1\"} + bool on (b, c) group_left (d) e{x=\"2\"}",
        "a{x=\"1\"} and ignoring (b) c{x=\"1\"}",
        "a{x=\"1\"} * on () group_right () c{x=\"1\"}",
        "topk by (x) (3, m{a!=\"b\",c=~\"d.*\",e!~\"f\"})",
        "count_values without (x, \"y z\") (\"v\", m{a=\"b\"})",
        "m{\"status-code\"=\"200\",or=\"\\\"\\n\\\\\\t\\u0001\"}",
        "-(-m{a=\"b\"} ^ -2)",
        "{__name__=\"m\",source_id=\"a\"}",
        "holt_winters(m{source_id=\"a\"}[5m], 0.5, 0.25)",
        "Inf - 0.1 + 1000000000000000000000",
        "label_join(m{a=\"b\"}, \"x\", \", \", \"y\")",
    ] {
        let query = query.replace("+ bool", "> bool");
        let normal = |text: &str| text.replace(" (", "(");
        assert_eq!(normal(&printed(&query)), normal(&query));
    }
}

#[test]
fn what_is_written_otherwise_means_the_same() {
    assert_eq!(printed("SUM(m{a='b'}) BY (x)"), "sum by (x)(m{a=\"b\"})");
    assert_eq!(
        printed("m{a=`\\d+`,} # comment\n + 0x1F"),
        "m{a=\"\\\\d+\"} + 31"
    );
    assert_eq!(
        printed("m{a=\"\\x41\\101\\u00e9\"}[90m]"),
        "m{a=\"AAé\"}[1h30m]"
    );
    assert_eq!(printed("m{a='b'} offset +5m"), "m{a=\"b\"} offset 5m");
    assert_eq!(printed("+1"), "1");
    // Equal to nothing, itself neither.
    assert_eq!(Query::parse("nan").unwrap().to_string(), "NaN");
}

#[test]
fn names_of_apps_become_ids() {
    let query = Query::parse(
        "rate(m{source_id='app'}[5m] offset 1m) + n{source_id=~'x|app',a='app'} + o{source_id!='app'}",
    );
    let query = query.unwrap();
    assert_eq!(query.source_ids(), ["app", "x"]);
    let ids = |id: &str| match id {
        "app" => vec!["g1".to_owned(), "app".to_owned()],
        id => vec![id.to_owned()],
    };
    let expected = "rate(m{source_id=~\"g1|app\"}[5m] offset 1m) + \
                    n{source_id=~\"x|g1|app\",a=\"app\"} + o{source_id!=\"app\"}";
    assert_eq!(query.rewrite(ids).to_string(), expected);
    let one = query.rewrite(|_| vec!["g".to_owned()]);
    assert!(
        one.to_string()
            .starts_with("rate(m{source_id=\"g\"}[5m] offset 1m) + n{source_id=\"g\",")
    );
    assert_eq!(query.rewrite(|_| Vec::new()), query);
    assert_eq!(one.source_ids(), ["g"]);
}
