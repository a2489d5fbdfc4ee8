use crate::labels::sanitize;
use crate::params::{ParamError, instant_time, parse_step, parse_time, range};
use crate::tests::labels;
use crate::text::{format_value, quote, quote_char};
use crate::{duration, text};

#[test]
fn names_are_sanitised_as_upstream_does() {
    for (name, sanitised) in [
        ("9vitals.vm.cpu.count1", "_vitals_vm_cpu_count1"),
        ("some-metric$count", "some_metric_count"),
        ("1", "_"),
        ("&+&+&+9", "______9"),
        ("a:b", "a_b"),
        ("Ünit", "_nit"),
        ("", ""),
        ("http", "http"),
        ("_x9", "_x9"),
    ] {
        assert_eq!(sanitize(name), sanitised);
    }
}

#[test]
fn of_labels_with_one_name_the_last_counts() {
    let labels = labels("b=1,a=2,b=3,c=");
    assert_eq!(format!("{labels:?}"), r#"{a="2", b="3", c=""}"#);
    assert_eq!((labels.get("b"), labels.get("z")), ("3", ""));
    assert_eq!(
        labels
            .only(&["c".to_owned(), "a".to_owned()])
            .as_slice()
            .len(),
        1
    );
    assert_eq!(
        format!("{:?}", labels.with("b", "").with("d", "4")),
        r#"{a="2", c="", d="4"}"#
    );
}

#[test]
fn durations_are_read_and_written() {
    for (text, ms) in [
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        ("90s", 90_000),
        ("1m500ms", 60_500),
        ("1y2w3d4h5m6s7ms", 33_019_506_007),
        ("100y", 3_153_600_000_000),
    ] {
        assert_eq!(duration::parse(text), Some(ms), "{text}");
        let mut written = String::new();
        duration::push(&mut written, ms);
        assert_eq!(duration::parse(&written), Some(ms), "{written}");
    }
    for text in [
        "",
        "5",
        "m",
        "5mm",
        "5m1h",
        "1m1m",
        "1.5m",
        "101y",
        "99999999999999999999s",
        "1ü",
    ] {
        assert_eq!(duration::parse(text), None, "{text}");
    }
}

#[test]
fn times_are_seconds_or_rfc_3339() {
    assert_eq!(parse_time("1795345379.35"), Ok(1_795_345_379_350));
    assert_eq!(parse_time("-1.5"), Ok(-1_500));
    assert_eq!(parse_time("2023-11-14T22:13:20Z"), Ok(1_700_000_000_000));
    assert_eq!(
        parse_time("2023-11-14T23:13:20.123456789+01:00"),
        Ok(1_700_000_000_123)
    );
    let wrong = [
        "",
        "409l",
        "NaN",
        "inf",
        "1e300",
        "2023-11-14",
        "2023-11-14 22:13:20Z",
        "é",
    ];
    for text in wrong {
        let error = parse_time(text).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("cannot parse {text:?} to a valid Unix or RFC3339 timestamp")
        );
    }
    assert_eq!(
        instant_time("", 1_700_000_000_999_999_999),
        Ok(1_700_000_000_000)
    );
    assert_eq!(instant_time("", -1), Ok(-1_000));
    assert_eq!(instant_time("7", 0), Ok(7_000));
}

#[test]
fn steps_are_seconds_or_durations() {
    assert_eq!(parse_step("15"), Ok(15_000));
    assert_eq!(parse_step("0.25"), Ok(250));
    assert_eq!(parse_step("1h30m"), Ok(5_400_000));
    assert_eq!(parse_step("-1"), Ok(-1_000));
    assert_eq!(parse_step("x"), Err(ParamError::Step("x".to_owned())));
    assert_eq!(range("1", "2", "1s"), Ok((1_000, 2_000, 1_000)));
    let text = |start, end, step| range(start, end, step).unwrap_err().to_string();
    assert_eq!(
        text("1", "2", ""),
        "couldn't parse step: cannot parse \"\" to a valid step"
    );
    let time = "to a valid Unix or RFC3339 timestamp";
    assert_eq!(
        text("x", "2", "1"),
        format!("couldn't parse start: cannot parse \"x\" {time}")
    );
    assert_eq!(
        text("1", "", "1"),
        format!("couldn't parse end: cannot parse \"\" {time}")
    );
}

#[test]
fn numbers_have_no_exponents() {
    for (value, text) in [
        (123_456_789_012_345_680.0, "123456789012345680"),
        (-0.000_000_000_1, "-0.0000000001"),
        (1e21, "1000000000000000000000"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
        (-0.0, "-0"),
        (63.0, "63"),
    ] {
        assert_eq!(format_value(value), text);
    }
}

#[test]
fn label_names_need_quotes_if_they_are_unusual() {
    assert!(text::is_label_name("status_code") && text::is_label_name("_9"));
    assert!(!text::is_label_name("status-code") && !text::is_label_name("9"));
    assert!(!text::is_label_name("") && !text::is_label_name("ä"));
}

#[test]
fn of_wrong_parameters_the_first_in_upstreams_order_is_told() {
    let error = |start, end, step| range(start, end, step).unwrap_err().to_string();
    assert_eq!(
        error("x", "y", "z"),
        "couldn't parse step: cannot parse \"z\" to a valid step"
    );
    assert!(error("x", "y", "1").starts_with("couldn't parse start: "));
    assert!(error("1", "y", "1").starts_with("couldn't parse end: "));
    assert_eq!(
        error("1", "2", "1e30"),
        "couldn't parse step: cannot parse \"1e30\" to a valid step. It overflows int64"
    );
}

#[test]
fn what_was_asked_is_quoted_as_go_does() {
    assert_eq!(
        quote("ü\0\u{7f}\t\"\\'\u{2028}\u{e000}\u{10ffff}"),
        r#""ü\x00\x7f\t\"\\'\u2028\ue000\U0010ffff""#
    );
    assert_eq!(quote_char('\u{7}'), r"'\a'");
    assert_eq!(
        (quote_char('"').as_str(), quote_char('\'').as_str()),
        ("'\"'", r"'\''")
    );
}
