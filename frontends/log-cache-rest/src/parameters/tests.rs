//! Requests of clients, and what is said to those that make no sense.

use super::{meta, query, query_range, read};
use crate::failure::Failure;
use crate::form::Form;
use hydrant_proto::logcache::{EnvelopeType, ReadRequest};
use tonic::Code;

fn of(query: &str) -> Result<ReadRequest, String> {
    let form = Form::parse(query).unwrap();
    let is_ours = |code| code == Code::InvalidArgument;
    let said = |failure: Failure| match is_ours(failure.code) {
        true => failure.message,
        false => format!("{failure:?}"),
    };
    read("app".to_owned(), &form).map_err(said)
}

fn plain() -> ReadRequest {
    ReadRequest {
        source_id: "app".to_owned(),
        ..ReadRequest::default()
    }
}

#[test]
fn requests_of_the_cf_cli() {
    let first = -6_795_364_578_871_345_152;
    let recent = "descending=true&envelope_types=LOG&limit=1000&start_time=-6795364578871345152";
    let log = i32::from(EnvelopeType::Log);
    let expected = ReadRequest {
        descending: true,
        envelope_types: vec![log],
        limit: 1000,
        start_time: first,
        ..plain()
    };
    assert_eq!(of(recent), Ok(expected));
    let newest = "descending=true&limit=1&start_time=-6795364578871345152";
    let expected = ReadRequest {
        descending: true,
        limit: 1,
        start_time: first,
        ..plain()
    };
    assert_eq!(of(newest), Ok(expected));
    let walk = "envelope_types=LOG&start_time=1795345377013369957";
    let expected = ReadRequest {
        envelope_types: vec![log],
        start_time: 1_795_345_377_013_369_957,
        ..plain()
    };
    assert_eq!(of(walk), Ok(expected));
    let tail = "descending=true&end_time=1795345377013369957&envelope_types=ANY&limit=10\
                &name_filter=&start_time=0";
    let expected = ReadRequest {
        descending: true,
        end_time: 1_795_345_377_013_369_957,
        envelope_types: vec![i32::from(EnvelopeType::Any)],
        limit: 10,
        ..plain()
    };
    assert_eq!(of(tail), Ok(expected));
    assert_eq!(
        of("name_filter=disk%7Cdisk_quota").unwrap().name_filter,
        "disk|disk_quota"
    );
}

#[test]
fn fields_have_two_names_and_others_are_passed_over() {
    let one = of("startTime=1&endTime=2&envelopeTypes=GAUGE&nameFilter=cpu");
    let other =
        of("start_time=1&end_time=2&envelope_types=3&name_filter=cpu&x=y&source_id=z&StartTime=q");
    assert_eq!(one, other);
    let types = of("envelope_types=LOG&limit=%2B5&envelope_types=2&envelope_types=EVENT").unwrap();
    assert_eq!((types.envelope_types, types.limit), (vec![1, 2, 5], 5));
    // A list takes what stands under both of its names.
    let types = of("envelope_types=LOG&envelopeTypes=GAUGE").unwrap();
    assert_eq!(types.envelope_types, [1, 3]);
    for (text, expected) in [
        ("1", true),
        ("T", true),
        ("True", true),
        ("f", false),
        ("0", false),
    ] {
        assert_eq!(
            of(&format!("descending={text}")).unwrap().descending,
            expected
        );
    }
    let form = Form::parse("local_only=true").unwrap();
    assert!(meta(&form).unwrap().local_only);
    let form = Form::parse("query=a&time=1.5&start=1&end=2&step=1m").unwrap();
    let instant = query(&form).unwrap();
    assert_eq!(
        (instant.query.as_str(), instant.time.as_str()),
        ("a", "1.5")
    );
    let range = query_range(&form).unwrap();
    let expected = ["a", "1", "2", "1m"].map(str::to_owned);
    assert_eq!([range.query, range.start, range.end, range.step], expected);
}

#[test]
fn what_makes_no_sense_is_told_in_gos_words() {
    for (query, problem) in [
        (
            "limit=abc",
            r#"parsing field "limit": strconv.ParseInt: parsing "abc": invalid syntax"#,
        ),
        (
            "start_time=9223372036854775808",
            r#"parsing field "start_time": strconv.ParseInt: parsing "9223372036854775808": value out of range"#,
        ),
        (
            "start_time=-9223372036854775809",
            r#"parsing field "start_time": strconv.ParseInt: parsing "-9223372036854775809": value out of range"#,
        ),
        (
            "start_time=",
            r#"parsing field "start_time": strconv.ParseInt: parsing "": invalid syntax"#,
        ),
        (
            "startTime=1.5",
            r#"parsing field "start_time": strconv.ParseInt: parsing "1.5": invalid syntax"#,
        ),
        (
            "envelope_types=FOO",
            r#"parsing list "envelope_types": "FOO" is not a valid value"#,
        ),
        (
            "envelope_types=LOG,COUNTER",
            r#"parsing list "envelope_types": "LOG,COUNTER" is not a valid value"#,
        ),
        (
            "envelope_types=6",
            r#"parsing list "envelope_types": "6" is not a valid value"#,
        ),
        (
            "envelope_types=log",
            r#"parsing list "envelope_types": "log" is not a valid value"#,
        ),
        (
            "descending=yes",
            r#"parsing field "descending": strconv.ParseBool: parsing "yes": invalid syntax"#,
        ),
        (
            "limit=1&limit=2",
            r#"too many values for field "limit": 1, 2"#,
        ),
        ("limit[1]=2", r#"too many values for field "limit": 1, 2"#),
        (
            "limit=%C3%BC%00%7F%22",
            r#"parsing field "limit": strconv.ParseInt: parsing "ü\x00\x7f\"": invalid syntax"#,
        ),
        ("limit.x=2", r#"invalid path: "limit" is not a message"#),
    ] {
        assert_eq!(of(query), Err(problem.to_owned()), "{query}");
    }
    let form = Form::parse("name_filter=%ff").unwrap();
    assert_eq!(read("a".to_owned(), &form), Err(Failure::not_utf8()));
}
