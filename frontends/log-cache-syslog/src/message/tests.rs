use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const HEAD: &str = "<14>1 2023-11-14T22:13:20.123456+00:00 host app [APP/0] - ";

fn parse(text: &str) -> Result<Message<'_>, ParseError> {
    Message::parse(text.as_bytes())
}

#[test]
fn everything_is_found() {
    let text = format!(
        "{HEAD}[tags@47450 a=\"x\" b=\"\\\"\\]\\\\é\" a=\"y\"][counter@47450 name=\"n\"] hi\n\0"
    );
    let message = parse(&text).unwrap();
    assert_eq!(message.priority, 14);
    assert_eq!(message.timestamp, Some(1_700_000_000_123_456_000));
    assert_eq!(
        (message.app_name, message.proc_id),
        (Some("app"), Some("[APP/0]"))
    );
    assert_eq!(message.text, b"hi\n\0");
    let [tags, counter] = &message.elements[..] else {
        panic!("{message:?}")
    };
    assert_eq!((tags.id, counter.id), ("tags@47450", "counter@47450"));
    assert_eq!((tags.get("a"), tags.get("b")), (Some("y"), Some("\"]\\é")));
    assert_eq!(
        (counter.get("name"), counter.get("delta")),
        (Some("n"), None)
    );
    assert!(matches!(tags.params[0].1, Cow::Borrowed("x")));
}

#[test]
fn what_is_nil_is_none() {
    let message = parse("<0>999 - - - - - -").unwrap();
    let none = Message {
        priority: 0,
        timestamp: None,
        app_name: None,
        proc_id: None,
        elements: Vec::new(),
        text: b"",
    };
    assert_eq!(message, none);
    assert_eq!(parse("<191>1 - - - - - - ").unwrap().text, b"");
    assert_eq!(parse("<1>1 - - - - - - -").unwrap().text, b"-");
}

#[test]
fn names_are_as_long_as_they_are() {
    let name = "n".repeat(300);
    let text = format!("<1>1 - {name} {name} {name} {name} [{name} {name}=\"v\"]");
    let message = parse(&text).unwrap();
    assert_eq!(message.app_name, Some(&*name));
    assert_eq!(message.elements[0].get(&name), Some("v"));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let after = HEAD.len();
    for (text, expected, at) in [
        (String::new(), "PRI", 0),
        ("14>1".to_owned(), "PRI", 0),
        ("<>1 ".to_owned(), "a priority from 0 to 191", 1),
        ("<192>1 ".to_owned(), "a priority from 0 to 191", 1),
        ("<01>1 ".to_owned(), "a priority from 0 to 191", 1),
        ("<1x".to_owned(), "the end of PRI", 2),
        ("<1>0 ".to_owned(), "a version from 1 to 999", 3),
        ("<1>1000 ".to_owned(), "a version from 1 to 999", 3),
        ("<1>1".to_owned(), "a space after VERSION", 4),
        ("<1>1 - h é".to_owned(), "APP-NAME", 9),
        ("<1>1 - h  p".to_owned(), "APP-NAME", 9),
        ("<1>1 - h a p m".to_owned(), "MSGID", 14),
        (format!("{HEAD}x"), "STRUCTURED-DATA", after),
        (format!("{HEAD}-x"), "a space before MSG", after + 1),
        (format!("{HEAD}[]"), "SD-ID", after + 1),
        (format!("{HEAD}[a b]"), "`=` after PARAM-NAME", after + 4),
        (
            format!("{HEAD}[a b=c]"),
            "a quotation mark before PARAM-VALUE",
            after + 5,
        ),
        (
            format!("{HEAD}[a b=\"]\"]"),
            "the end of PARAM-VALUE",
            after + 6,
        ),
        (
            format!("{HEAD}[a b=\"\\n\"]"),
            "one of `\"`, `\\` and `]` after `\\`",
            after + 7,
        ),
        (
            format!("{HEAD}[a b=\"c\""),
            "the end of an element",
            after + 8,
        ),
        (
            format!("{HEAD}[a][a]"),
            "another SD-ID, not one twice,",
            after + 4,
        ),
    ] {
        assert_eq!(parse(&text), Err(ParseError { expected, at }), "{text}");
    }
    let latin = [HEAD.as_bytes(), b"[a b=\"c\xe9\"]"].concat();
    let error = Message::parse(&latin).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("UTF-8 expected at byte {}", after + 7)
    );
}

#[test]
fn times_are_those_of_the_calendar() {
    let time = |text: &str| parse(&format!("<1>1 {text} - - - - -")).map(|it| it.timestamp);
    let second = 1_000_000_000;
    for (text, nanos) in [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T02:00:00.5+02:00", second / 2),
        ("1969-12-31T23:59:59.999999Z", -1_000),
        ("1970-01-01T00:00:00-23:59", (23 * 60 + 59) * 60 * second),
        ("2024-02-29T00:00:00-00:00", 1_709_164_800 * second),
        ("9999-12-31T23:59:59Z", 253_402_300_799 * second),
        ("0000-01-01T00:00:00Z", -62_167_219_200 * second),
    ] {
        assert_eq!(time(text), Ok(Some(nanos)), "{text}");
    }
    for text in [
        "2023-02-29T00:00:00Z",
        "2023-00-01T00:00:00Z",
        "2023-13-01T00:00:00Z",
        "2023-01-32T00:00:00Z",
        "2023-01-01T24:00:00Z",
        "2023-01-01T00:60:00Z",
        "2023-01-01T00:00:60Z",
        "2023-01-01T00:00:00.Z",
        "2023-01-01T00:00:00.1234567Z",
        "2023-01-01T00:00:00",
        "2023-01-01T00:00:00+24:00",
        "2023-01-01T00:00:00+0100",
        "2023-01-01 00:00:00Z",
        "2023-01-01t00:00:00z",
        "23-01-01T00:00:00Z",
        "Nov 14 22:13:20",
    ] {
        time(text).unwrap_err();
    }
}

/// What the grammar has, and now and then something beside it.
fn nearly_a_message() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"<14>1 ".to_vec()),
        4 => Just(b"2023-11-14T22:13:20.123456+00:00 ".to_vec()),
        4 => Just(b"- ".to_vec()),
        4 => "[!-~]{1,9} ".prop_map(String::into_bytes),
        4 => Just(b"[tags@1 a=\"b\" c=\"\\]\"]".to_vec()),
        4 => "[\\[\\]=\"\\\\ a-c<>0-9]{0,9}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..9),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn written(message: &Message<'_>) -> Vec<u8> {
    let nil = |word: Option<&str>| word.unwrap_or("-").to_owned();
    let timestamp = message.timestamp.map_or_else(
        || "-".to_owned(),
        |nanos| {
            let span = jiff::SignedDuration::from_nanos_i128(nanos);
            let epoch = jiff::civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
            (epoch + span)
                .strftime("%Y-%m-%dT%H:%M:%S.%6fZ")
                .to_string()
        },
    );
    let mut text = format!("<{}>1 {timestamp} - ", message.priority);
    text += &format!("{} {} - ", nil(message.app_name), nil(message.proc_id));
    for Element { id, params } in &message.elements {
        text += &format!("[{id}");
        for (name, value) in params {
            let value = value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace(']', "\\]");
            text += &format!(" {name}=\"{value}\"");
        }
        text += "]";
    }
    text += if message.elements.is_empty() {
        "- "
    } else {
        " "
    };
    [text.as_bytes(), message.text].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        Message::parse(&bytes).ok();
    }

    #[test]
    fn what_is_read_is_read_again_when_written(bytes in nearly_a_message()) {
        match Message::parse(&bytes) {
            Ok(message) => {
                let again = written(&message);
                prop_assert_eq!(Message::parse(&again), Ok(message.clone()));
                let ids: BTreeSet<_> = message.elements.iter().map(|it| it.id).collect();
                prop_assert_eq!(ids.len(), message.elements.len());
            }
            Err(error) => prop_assert!(error.at <= bytes.len()),
        }
    }
}
