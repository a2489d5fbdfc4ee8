//! `hydrant drains` beside a running server: what it says of drains, and what it keeps to itself.

use crate::emitters::UdpEmitter;
use crate::envelopes::v1_log;
use crate::process::{Server, run, wait_until};
use std::io::Read;
use std::net::TcpListener;
use std::thread;

#[test]
fn drains_are_shown_with_rate_losses_and_error_but_no_secrets() {
    let there = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let [there_port, gone_port] = [&there, &gone].map(|it| it.local_addr().unwrap().port());
    drop(gone);
    let reading = thread::spawn(move || {
        let (mut stream, _) = there.accept().unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    });
    let server = Server::start(&format!(
        "[[syslog.drains]]\nurl = \"syslog://user:hush@127.0.0.1:{there_port}?token=hush\"\n\
         [[syslog.drains]]\nurl = \"syslog://127.0.0.1:{gone_port}\"\n"
    ));
    let operator = format!("http://{}", server.operator);
    let shown = |more: &[&str]| {
        let output = run(&[&["drains", "--operator", &operator], more].concat());
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains("hush") && !text.contains("user"), "{text}");
        text
    };
    let mut udp = UdpEmitter::new(&server);
    (0..3).for_each(|_| udp.send(&v1_log("app", "a line", 1)));
    let look = || -> serde_json::Value { serde_json::from_str(&shown(&["--json"])).unwrap() };
    wait_until("delivery and a failure", || {
        let drains = look();
        drains[0]["delivered"] == 3 && drains[1]["last_error"] != ""
    });
    let drains = look();
    assert_eq!(drains[0]["url"], format!("syslog://127.0.0.1:{there_port}"));
    assert_eq!(drains[0]["state"], "connected");
    assert_eq!(drains[1]["waiting"], 3);
    let table = shown(&[]);
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("DRAIN "), "{table}");
    assert!(lines[1].ends_with("connected"), "{table}");
    assert!(lines[2].contains("refused"), "{table}");
    server.stop();
    assert_eq!(reading.join().unwrap().lines().count(), 3);
}

#[test]
fn a_server_that_is_not_there_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let output = run(&["drains", "--operator", &format!("http://{address}")]);
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains(&address.to_string()) && said.contains("--operator"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1);
}
