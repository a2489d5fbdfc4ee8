use super::*;

/// A page as the Cloud Controller sends it, with what Go's decoder forgives.
const PAGE: &str = r#"{"results":[
  {"url":"syslog-tls://drain.example.com:6514/?a=1&b=<2>","credentials":[
    {"cert":"CERT","key":"KEY","ca":"","apps":[
      {"hostname":"org.space.app","app_id":"guid-1"},
      {"HostName":"org.space.über","APP_ID":"guid-2","more":{"x":[1,null]}}]},
    {"CA":"a\tb","apps":[]}]},
  {"Url":"old","URL":"https://drain.example.com","credentials":[{"apps":null},null]},
  {"url":null,"credentials":null},
  null
],"next_id":1234,"v5_available":true} and what follows"#;

/// What upstream's cache serves for it.
const SERVED: &str = concat!(
    r#"[{"url":"syslog-tls://drain.example.com:6514/?a=1\u0026b=\u003c2\u003e","credentials":["#,
    r#"{"cert":"CERT","key":"KEY","ca":"","apps":[{"hostname":"org.space.app","app_id":"guid-1"},"#,
    r#"{"hostname":"org.space.über","app_id":"guid-2"}]},"#,
    r#"{"cert":"","key":"","ca":"a\tb","apps":[]}]},"#,
    r#"{"url":"https://drain.example.com","credentials":["#,
    r#"{"cert":"","key":"","ca":"","apps":null},{"cert":"","key":"","ca":"","apps":null}]},"#,
    r#"{"url":"","credentials":[]},{"url":"","credentials":[]}]"#,
    "\n"
);

#[test]
fn a_page_is_read_as_go_reads_it_and_served_as_go_serves_it() {
    let page = Page::read(PAGE.as_bytes()).unwrap();
    assert_eq!(page.next_id, 1234);
    assert_eq!(page.results.len(), 4);
    assert_eq!(page.results[0].apps().count(), 2);
    let served = bindings(&page.results);
    assert_eq!(String::from_utf8(served.clone()).unwrap(), SERVED);
    assert_eq!(read(&served).unwrap(), page.results);
}

#[test]
fn nothing_is_an_empty_list_or_null() {
    assert_eq!(bindings(&[]), b"[]\n");
    assert_eq!(aggregate(&[]), b"null\n");
    for nothing in ["null", "[]", " null\n"] {
        assert_eq!(read(nothing.as_bytes()), Ok(Vec::new()));
    }
    for nothing in ["{}", "null", r#"{"results":null,"next_id":null}"#] {
        assert_eq!(Page::read(nothing.as_bytes()), Ok(Page::default()));
    }
}

#[test]
fn an_aggregate_drain_has_no_apps() {
    let drain = DrainUrl::aggregate("syslog://a:1".into(), Credentials::default());
    let json =
        r#"[{"url":"syslog://a:1","credentials":[{"cert":"","key":"","ca":"","apps":null}]}]"#;
    assert_eq!(aggregate(&[drain]), format!("{json}\n").as_bytes());
}

#[test]
fn texts_are_escaped_as_go_does() {
    let app = App {
        hostname: "\u{1}\u{8}\u{c}\n\r\t\"\\/\u{7f}\u{2028}\u{2029}&\u{1f600}".to_owned(),
        app_id: String::new(),
    };
    let expected = concat!(
        r#"{"hostname":"\u0001\b\f\n\r\t\"\\/"#,
        "\u{7f}",
        r"\u2028\u2029\u0026",
        "\u{1f600}",
        r#"","app_id":""}"#,
        "\n"
    );
    assert_eq!(String::from_utf8(text::write(&app)).unwrap(), expected);
}

#[test]
fn bytes_that_are_no_utf_8_are_replaced() {
    let list = read(b"[{\"url\":\"a\xffb\"}]").unwrap();
    assert_eq!(list[0].url.reveal(), "a\u{fffd}b");
}

#[test]
fn what_is_wrong_is_placed_and_not_shown() {
    for json in [
        "",
        "{\"results\":[{\"url\":\"hush\"",
        "{\"results\":\"hush\"}",
        "{\"results\":[{\"credentials\":[{\"key\":[\"hush\"]}]}]}",
        "{\"results\":[{\"url\":5.271828}]}",
        "[\"hush\"]",
        "\"hush\"",
        "{\"next_id\":\"hush\"}",
        "{\"next_id\":1.5}",
    ] {
        let error = Page::read(json.as_bytes()).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(
            said.starts_with("no JSON of bindings: wrong at line "),
            "{said}"
        );
        assert!(!said.contains("hush") && !said.contains("271828"), "{said}");
    }
}

#[test]
fn secrets_are_in_no_debug() {
    let page = Page::read(PAGE.as_bytes()).unwrap();
    let shown = format!("{page:?}");
    assert!(shown.contains("guid-1"), "{shown}");
    for secret in ["KEY", "CERT", "drain.example.com"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
