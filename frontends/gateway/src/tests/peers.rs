//! UAA and the Cloud Controller: one HTTP server that says what a test has it say.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// Takes requests, each on a connection of its own.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    requests: Receiver<String>,
}

impl Peer {
    /// A peer that answers `answer(head and body)`: a status line's end, such as `200 OK`, and a
    /// body; or that never answers.
    pub(super) fn new(
        answer: impl Fn(&str) -> Option<(&'static str, String)> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, requests) = channel();
        thread::spawn(move || {
            let mut unanswered = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = read(&mut stream);
                let said = answer(&request);
                seen.send(request).ok();
                match said {
                    Some(said) => write(&mut stream, said),
                    None => unanswered.push(stream),
                }
            }
        });
        Self { address, requests }
    }

    /// A peer that always says the same.
    pub(super) fn saying(status: &'static str, body: &str) -> Self {
        let body = body.to_owned();
        Self::new(move |_| Some((status, body.clone())))
    }

    /// What has been asked so far.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.try_iter().collect()
    }
}

fn read(stream: &mut impl Read) -> String {
    let mut request = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1);
            let length = length.and_then(|rest| rest.lines().next());
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return String::from_utf8(request).unwrap();
            }
        }
        let count = stream.read(&mut bytes).unwrap();
        assert!(count > 0, "cut off: {text}");
        request.extend(&bytes[..count]);
    }
}

fn write(stream: &mut impl Write, (status, body): (&str, String)) {
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).ok();
}
