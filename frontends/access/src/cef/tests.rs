use super::*;
use crate::tests::TempFolder;
use std::fs;

const SINCE_EPOCH: Duration = Duration::from_nanos(1_700_000_000_123_999_999);

fn request(uri: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::get(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

fn line_of(uri: &str, headers: &[(&str, &str)]) -> String {
    let peer = "10.0.0.7:4711".parse().unwrap();
    let destination = ("10.1.2.3", 8081);
    line(
        "loggregator_trafficcontroller",
        &request(uri, headers),
        peer,
        SINCE_EPOCH,
        destination,
    )
}

/// The `request=` of a line.
fn path_of(uri: &str) -> String {
    let line = line_of(uri, &[]);
    let (_, rest) = line.split_once(" request=").unwrap();
    let (path, _) = rest.split_once(" requestMethod=").unwrap();
    assert_eq!(line.matches(path).count(), 3, "{line}");
    path.to_owned()
}

fn source_of(forwarded_for: &str) -> (String, String) {
    let headers = [("X-Forwarded-For", forwarded_for)];
    let line = line_of("/", &headers);
    let (_, rest) = line.split_once(" src=").unwrap();
    let (host, rest) = rest.split_once(" spt=").unwrap();
    let (port, _) = rest.split_once(" dst=").unwrap();
    (host.to_owned(), port.to_owned())
}

#[test]
fn a_line_is_upstreams() {
    let headers = [
        ("X-Vcap-Request-ID", "id-1"),
        ("X-Forwarded-For", "1.2.3.4, 5.6.7.8"),
        ("Authorization", "bearer secret"),
    ];
    let line = line_of("/apps/a/stream?x=1", &headers);
    let expected = "CEF:0|cloud_foundry|loggregator_trafficcontroller|1.0|GET /apps/a/stream?x=1|\
                    GET /apps/a/stream?x=1|0|rt=1700000000123 \
                    cs1Label=userAuthenticationMechanism cs1=oauth-access-token \
                    cs2Label=vcapRequestId cs2=id-1 request=/apps/a/stream?x=1 requestMethod=GET \
                    src=1.2.3.4 spt= dst=10.1.2.3 dpt=8081";
    assert_eq!(line, expected);
    let line = line_of("/", &[]);
    assert!(line.contains(" cs2= request=/ "), "{line}");
    assert!(
        line.ends_with(" src=10.0.0.7 spt=4711 dst=10.1.2.3 dpt=8081"),
        "{line}"
    );
}

#[test]
fn entities_are_those_of_go() {
    assert_eq!(path_of("/a?b=1&c=%20+d"), "/a?b=1&amp;c=%20&#43;d");
    assert_eq!(path_of("/%3Cb%3E%22%27"), "/&lt;b&gt;&#34;&#39;");
    assert_eq!(path_of("/a%20b%7C"), "/a b|");
    assert_eq!(path_of("/?"), "/");
}

#[test]
fn no_path_begins_a_line() {
    assert_eq!(path_of("/a%0Ab%0d%00%7f"), "/a%0Ab%0D%00%7F");
    assert_eq!(path_of("/%C2%85"), "/%C2%85");
    assert_eq!(path_of("/%ff"), "/\u{fffd}");
}

#[test]
fn no_query_shows_a_token() {
    for (query, shown) in [
        (
            "app=x&authorization=bearer%20abc",
            "app=x&amp;authorization=[redacted]",
        ),
        (
            "authorization=abc&app=x",
            "authorization=[redacted]&amp;app=x",
        ),
        ("Authorization=abc", "Authorization=[redacted]"),
        ("%61uthorization=abc", "%61uthorization=[redacted]"),
        ("a;authorization=abc;b", "a;authorization=[redacted];b"),
        (
            "authorization=abc=&authorization=abc",
            "authorization=[redacted]&amp;authorization=[redacted]",
        ),
        ("authorization", "authorization"),
        ("authorizations=x", "authorizations=x"),
    ] {
        let path = path_of(&format!("/tail/?{query}"));
        assert_eq!(path, format!("/tail/?{shown}"));
    }
}

#[test]
fn sources_are_split_as_go_does() {
    let parts = |host: &str, port: &str| (host.to_owned(), port.to_owned());
    for (forwarded_for, expected) in [
        ("1.2.3.4", parts("1.2.3.4", "")),
        ("1.2.3.4:80,x", parts("1.2.3.4", "80")),
        ("[::1]:80", parts("::1", "80")),
        ("::1", parts("", "")),
        ("[::1]", parts("", "")),
        ("[::1]x:80", parts("", "")),
        ("a]:80", parts("", "")),
        ("<b>+", parts("&lt;b&gt;&#43;", "")),
        ("", parts("10.0.0.7", "4711")),
        (",1.2.3.4", parts("10.0.0.7", "4711")),
    ] {
        assert_eq!(source_of(forwarded_for), expected, "{forwarded_for}");
    }
    let mapped = "[::ffff:10.0.0.7]:1".parse().unwrap();
    let mapped = source(&HeaderMap::new(), mapped);
    assert_eq!(mapped, parts("10.0.0.7", "1"));
}

#[test]
fn lines_are_appended_and_counted() {
    let folder = TempFolder::new();
    let file = folder.path().join("events");
    fs::write(&file, "before\n").unwrap();
    let log = SecurityLog::open(&file, "product", ("host".to_owned(), 1)).unwrap();
    let state = log.state();
    let peer = "10.0.0.7:4711".parse().unwrap();
    for _ in 0..100 {
        log.clone()
            .append(&request("/x?authorization=secret", &[]), peer);
    }
    drop(log);
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (101, "before"));
    assert!(lines[1..].iter().all(|line| line.starts_with("CEF:0|")));
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(state.get(SecurityCounter::Written), 100);
    assert_eq!(state.get(SecurityCounter::Lost), 0);
}

#[test]
fn a_file_that_takes_nothing_holds_up_nobody() {
    let log = SecurityLog::open(Path::new("/dev/full"), "product", ("host".to_owned(), 1)).unwrap();
    let state = log.state();
    let peer = "10.0.0.7:4711".parse().unwrap();
    for _ in 0..10 {
        log.append(&request("/", &[]), peer);
    }
    drop(log);
    assert_eq!(state.get(SecurityCounter::Lost), 10);
    assert_eq!(state.get(SecurityCounter::Written), 0);
    let none = SecurityLog::open(
        Path::new("/no/such/folder/events"),
        "product",
        ("host".to_owned(), 1),
    );
    assert_eq!(none.unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn what_waits_is_bounded() {
    let folder = TempFolder::new();
    let file = folder.path().join("events");
    let appender = Appender::open(&file).unwrap();
    let state = appender.state();
    // More than all the room there is, which no disk makes fit.
    let huge = vec![b'x'; (1 << 20) + 1];
    appender.append(&[&huge[..], b"\n"].concat());
    appender.append(b"small\n");
    drop(appender);
    assert_eq!(state.get(SecurityCounter::Lost), 1);
    assert_eq!(fs::read_to_string(&file).unwrap(), "small\n");
}
