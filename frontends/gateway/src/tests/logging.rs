//! The access log.

use super::client::{ask, open};
use super::provider::Manner;
use super::rig::{Rig, eventually, log, logs_event};
use crate::access_log::AccessLog;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    /// Its lines, each without the time.
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(without_time).collect()
    }
}

/// The time is `[10/Oct/2000:13:55:36 -0700]`.
fn without_time(line: &str) -> String {
    let (before, rest) = line.split_once('[').unwrap();
    let (time, after) = rest.split_once("] ").unwrap();
    let shape: String = time.chars().map(shape).collect();
    assert!(shape.starts_with("00/Aaa/0000:00:00:00 "), "{time}");
    assert_eq!(&shape[22..], "0000", "{time}");
    format!("{before}{after}")
}

fn shape(character: char) -> char {
    match character {
        '0'..='9' => '0',
        'A'..='Z' => 'A',
        'a'..='z' => 'a',
        other => other,
    }
}

#[test]
fn each_request_is_a_line_when_its_answer_is_over() {
    let sink = Sink::default();
    let rig = Rig::logging(Manner::Prompt, |_| (), Some(AccessLog::to(sink.clone())));
    ask(
        rig.address(),
        "GET",
        "/x",
        "Authorization: bearer hidden\r\n",
    );
    ask(rig.address(), "PUT", "/v2/read", "");
    let mut client = open(rig.address(), "/v2/read?log&source_id=a");
    let call = rig.provider.call();
    eventually(|| sink.lines().len() == 2);
    call.send(&[log("a")]);
    client.event().unwrap();
    assert_eq!(sink.lines().len(), 2);
    drop(call);
    assert_eq!(client.event(), None);
    eventually(|| sink.lines().len() == 3);
    let bytes = logs_event(&["YQ=="]).len();
    let expected = [
        "127.0.0.1 - - \"GET /x HTTP/1.1\" 404 19".to_owned(),
        "127.0.0.1 - - \"PUT /v2/read HTTP/1.1\" 405 63".to_owned(),
        format!("127.0.0.1 - - \"GET /v2/read?log&source_id=a HTTP/1.1\" 200 {bytes}"),
    ];
    assert_eq!(sink.lines(), expected);
}

#[test]
fn a_client_that_goes_leaves_its_line() {
    let sink = Sink::default();
    let rig = Rig::logging(Manner::Prompt, |_| (), Some(AccessLog::to(sink.clone())));
    drop(open(rig.address(), "/v2/read?log"));
    eventually(|| sink.lines() == ["127.0.0.1 - - \"GET /v2/read?log HTTP/1.1\" 200 0"]);
}
