use crate::{EvalError, Query};

const T: i64 = 1_000_000;

/// The windows of a query's selections at `T`, in s relative to it.
fn windows(query: &str) -> Vec<(i64, i64)> {
    let evaluation = Query::parse(query).unwrap().instant(T).unwrap();
    let relative = |ns: i64| ns / 1_000_000_000 - T / 1_000;
    let windows = evaluation.selections().iter();
    windows
        .map(|one| (relative(one.start_ns), relative(one.end_ns)))
        .collect()
}

#[test]
fn a_selection_has_the_window_that_its_selector_sees() {
    assert_eq!(windows("m{source_id='a'}"), [(-300, 0)]);
    assert_eq!(windows("m{source_id='a'} offset 1m"), [(-360, -60)]);
    assert_eq!(windows("m{source_id='a'} offset -1m"), [(-240, 60)]);
    assert_eq!(windows("rate(m{source_id='a'}[10m])"), [(-600, 0)]);
    assert_eq!(windows("m{source_id='a'} @ 500"), [(-800, -500)]);
    assert_eq!(
        windows("rate(m{source_id='a'}[1m] @ end() offset 1m)"),
        [(-120, -60)]
    );
    assert_eq!(
        windows("max_over_time(rate(m{source_id='a'}[1m])[10m:1m])"),
        [(-660, 0)]
    );
    assert_eq!(
        windows("max_over_time((m{source_id='a'} @ start())[10m:1m])"),
        [(-300, 0)]
    );
    let nested =
        "max_over_time(max_over_time(m{source_id='a'}[5m:1m] offset 1m)[10m:1m] offset 2m)";
    assert_eq!(windows(nested), [(-1380, -180)]);
    assert_eq!(
        windows("m{source_id='a'} + n{source_id='a'}"),
        [(-300, 0), (-300, 0)]
    );
    assert_eq!(
        windows("m{source_id='a'} + m{source_id='a'}"),
        [(-300, 0)],
        "it is shared"
    );
    assert!(windows("1 + time()").is_empty());
}

#[test]
fn a_range_has_one_window_for_all_its_steps() {
    let query = Query::parse("rate(m{source_id='a'}[1m])").unwrap();
    let evaluation = query.range(T, T + 100_000, 30_000).unwrap();
    let selection = &evaluation.selections()[0];
    assert_eq!(selection.start_ns, (T - 60_000) * 1_000_000);
    assert_eq!(selection.end_ns, (T + 90_000) * 1_000_000, "the last step");
    let query = Query::parse("m{source_id='a'} @ end()").unwrap();
    let evaluation = query.range(T, T + 100_000, 30_000).unwrap();
    assert_eq!(
        evaluation.selections()[0].end_ns,
        (T + 100_000) * 1_000_000,
        "the end"
    );
}

#[test]
fn a_selection_says_whose_data_and_which() {
    let query = r#"m{source_id=~"a|b|c",source_id!="b",x!="1",y=~"2|3",z=""}"#;
    let evaluation = Query::parse(query).unwrap().instant(T).unwrap();
    let selection = &evaluation.selections()[0];
    assert_eq!(
        (selection.metric.as_str(), &*selection.source_ids),
        ("m", &["a", "c"].map(str::to_owned)[..])
    );
    let matches = |text: &str| selection.matches(super::labels(text).as_slice());
    assert!(matches("source_id=a,y=2") && matches("source_id=c,y=3,x=2,other=1"));
    assert!(!matches("source_id=b,y=2") && !matches("source_id=d,y=2"));
    assert!(!matches("source_id=a,y=23") && !matches("source_id=a,y=2,x=1"));
    assert!(!matches("source_id=a,y=2,z=1") && !matches("source_id=a"));
    let named = Query::parse("_some_metric1{source_id='a'}")
        .unwrap()
        .instant(T)
        .unwrap();
    let selection = &named.selections()[0];
    assert!(selection.is_named("1some-metric1") && selection.is_named("_some_metric1"));
    assert!(!selection.is_named("_some_metric") && !selection.is_named("_some_metric12"));
}

#[test]
fn ids_with_special_characters_are_ids() {
    let evaluation = Query::parse("m{source_id=~'a.b|(c'}")
        .unwrap()
        .instant(T)
        .unwrap();
    let selection = &evaluation.selections()[0];
    assert_eq!(selection.source_ids, ["(c", "a.b"]);
    assert!(selection.matches(super::labels("source_id=(c").as_slice()));
    assert!(!selection.matches(super::labels("source_id=axb").as_slice()));
    let many: Vec<_> = (0..1_500)
        .map(|id| format!("6b1f0cf0-7f4b-4a51-a3c0-00000000{id:04}"))
        .collect();
    let query = Query::parse(&format!("m{{source_id=~'{}'}}", many.join("|"))).unwrap();
    assert_eq!(query.source_ids(), many);
}

#[test]
fn a_selector_needs_a_name_and_a_source() {
    let error = |query: &str| Query::parse(query).unwrap().instant(T).unwrap_err();
    let none = error("cpu_user{a='b'}");
    assert_eq!(
        none.to_string(),
        "metric 'cpu_user' does not have a 'source_id' label"
    );
    assert_eq!(
        error("cpu{source_id!='b'}"),
        EvalError::NoSourceId("cpu".to_owned())
    );
    assert_eq!(error("{source_id='a'}"), EvalError::NoName);
    assert_eq!(error("{source_id='a',__name__=~'x|y'}"), EvalError::NoName);
    let named = Query::parse("{__name__='x',source_id='a'}")
        .unwrap()
        .instant(T)
        .unwrap();
    assert_eq!(named.selections()[0].metric, "x");
}
