use crate::{EvalError, Query};

fn error(query: &str) -> String {
    Query::parse(query).unwrap_err().to_string()
}

#[test]
fn errors_have_a_place() {
    for (query, text) in [
        ("", "parse error at char 1: no expression found in input"),
        (
            "m{a=\"b}",
            "parse error at char 5: unterminated quoted string",
        ),
        (
            "m{a='b'",
            "parse error at char 8: unexpected end of input inside braces",
        ),
        ("sum(m", "parse error at char 6: unclosed left parenthesis"),
        (
            "m)",
            "parse error at char 2: unexpected right parenthesis ')'",
        ),
        ("m{a='b'} n", "parse error at char 10: unexpected \"n\""),
        (
            "sum by (a) (b c)",
            "parse error at char 15: unexpected \"c\"",
        ),
        ("1 +", "parse error at char 4: unexpected end of input"),
        ("* 2", "parse error at char 1: unexpected \"*\""),
        (
            "m[5x]",
            "parse error at char 3: bad duration syntax: \"5x\"",
        ),
        ("m[5]", "parse error at char 3: bad duration syntax: \"5\""),
        (
            "m offset 0s",
            "parse error at char 10: duration must be greater than 0",
        ),
        (
            "1 + 5m",
            "parse error at char 5: bad number or duration syntax: \"5m\"",
        ),
        (
            "1\n + ?",
            "parse error at line 2, char 4: unexpected character: '?'",
        ),
        (
            "1 + nosuch(2)",
            "parse error at char 5: unknown function with name \"nosuch\"",
        ),
        (
            "rate(m)",
            "parse error: expected type range vector in call to function \"rate\", \
             got instant vector",
        ),
        (
            "1 == 1",
            "parse error: comparisons between scalars must use BOOL modifier",
        ),
        (
            "m{__name__='n'}",
            "parse error: metric name must not be set twice",
        ),
        (
            "{a=''}",
            "parse error: vector selector must contain at least one non-empty matcher",
        ),
        (
            "m{a=~'('}",
            "parse error at char 6: error parsing regexp: missing closing ): `^(?:()$`",
        ),
    ] {
        assert_eq!(error(query), text, "{query}");
    }
}

#[test]
fn what_is_newer_or_not_kept_here_is_refused_by_name() {
    assert!(error("histogram_count(m{a='b'})").contains("native histograms"));
    assert!(error("histogram_avg(m{a='b'})").contains("histogram_avg"));
    assert!(error("info(m{a='b'})").contains("info"));
    assert!(error("limitk(2, m{a='b'})").contains("limitk"));
    assert!(error("m{a='b'} + fill(1) n{a='b'}").contains("fill"));
    assert!(error("m{a='b' or c='d'}").contains("unexpected"));
}

#[test]
fn a_metric_that_is_called_offset_takes_no_duration() {
    for query in [
        "offset -1h",
        "1 + offset - 1h",
        "m{a='b'} and on(a) offset -1h",
    ] {
        assert!(error(query).contains("unexpected duration"), "{query}");
    }
    Query::parse("offset{a='b'} offset -1h").unwrap();
}

#[test]
fn the_parser_is_not_brought_down() {
    let deep = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
    Query::parse(&deep(60)).unwrap();
    assert!(error(&deep(70)).contains("too many parentheses"));
    assert!(error(&format!("1{}", " + 1".repeat(500))).contains("nested more than"));
    assert!(error(&"-".repeat(1_900)).contains("unexpected"));
    let signs = |operand: &str| format!("{}{operand}", "-".repeat(1_900));
    Query::parse(&signs("1")).unwrap(); // They become part of the number.
    assert!(error(&signs("m{a='b'}")).contains("nested more than"));
    assert!(error(&"1+".repeat(3_000)).contains("too many parts"));
    assert!(error(&"x".repeat(70_000)).contains("longer than"));
    assert!(error("m[99999999999999999999999y]").contains("bad duration"));
    assert!(error("m[1e300]").contains("bad duration"));
    assert!(error("m offset inf").contains("expected duration"));
    assert!(error("m offset -NaN").contains("expected duration"));
    assert!(error("m @ 1e300").contains("out of bounds"));
    let regexes = "a=~'x',".repeat(40);
    assert!(error(&format!("m{{{regexes}}}")).contains("too many regular expressions"));
    assert!(error("m{a=~'(\\\\w{500}){500}'}").contains("too large"));
}

/// As deep as a query may be, on half the stack that threads have.
#[test]
fn the_deepest_queries_do_not_take_much_stack() {
    let deep = || {
        let vector = format!(
            "m{{a='b',source_id='c'}}{}",
            " + on () vector(1)".repeat(180)
        );
        let signs = format!("{}m{{source_id='c'}}", "-".repeat(180));
        let calls = format!("{}m{{source_id='c'}}{}", "abs(".repeat(60), ")".repeat(60));
        let subqueries = format!(
            "{}m{{source_id='c'}}{}",
            "max_over_time(".repeat(30),
            "[2s:1s])".repeat(30).replacen("[2s:1s]", "[2s]", 1)
        );
        for text in [vector, signs, calls, subqueries] {
            let query = Query::parse(&text).unwrap();
            assert_eq!(Query::parse(&query.to_string()).unwrap(), query);
            let rewritten = query.rewrite(|_| vec!["d".to_owned()]);
            let value = super::instant(
                &rewritten.to_string(),
                0,
                &[super::series("a=b", &[(0, 1.0)])],
            );
            assert_eq!(super::values(&value).len(), 1, "{text}");
        }
        assert!(error(&format!("1{}", "+1".repeat(1_000))).contains("nested"));
        assert!(error(&format!("1{} 2", "+1".repeat(1_000))).contains("unexpected number"));
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(deep);
    thread.unwrap().join().unwrap();
}

#[test]
fn what_cannot_be_evaluated_is_said_first() {
    let query = |text: &str| Query::parse(text).unwrap();
    let range = |text, start, end, step| query(text).range(start, end, step).unwrap_err();
    assert_eq!(query("'a'").instant(0).unwrap_err(), EvalError::Text);
    assert_eq!(range("1", 0, 10, 0), EvalError::Step);
    assert_eq!(range("1", 0, 10, -1), EvalError::Step);
    assert_eq!(range("1", 10, 0, 1), EvalError::EndBeforeStart);
    assert_eq!(range("1", 0, i64::MAX, 1), EvalError::Steps);
    assert_eq!(range("1", i64::MIN, i64::MAX, 1), EvalError::Time);
    assert_eq!(query("1").instant(i64::MAX).unwrap_err(), EvalError::Time);
    let of_matrix = range("m{source_id='a'}[5m]", 0, 10, 1).to_string();
    let expected = "invalid expression type \"range vector\" for range query, \
                    must be Scalar or instant Vector";
    assert_eq!(of_matrix, expected);
    assert!(
        range("'a'", 0, 10, 1)
            .to_string()
            .contains("type \"string\" for range")
    );
}
