//! Questions over plain HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: u16,
    /// In lower case, with the line of the status.
    pub(super) head: String,
    pub(super) body: String,
}

/// Sends a whole request and waits until the connection is closed.
pub(super) fn send(address: SocketAddr, request: &str) -> Said {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = match head.contains("\r\ntransfer-encoding: chunked") {
        true => unchunked(body),
        false => body.to_owned(),
    };
    Said { status, head, body }
}

fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, more)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        body.push_str(&more[..size]);
        rest = &more[size..][2..];
    }
    body
}

/// A request with more headers, each with its end.
pub(super) fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> Said {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: log-cache.example\r\n");
    send(
        address,
        &format!("{head}Connection: close\r\n{headers}\r\n"),
    )
}

pub(super) fn get(address: SocketAddr, path: &str) -> Said {
    ask(address, "GET", path, "")
}

/// A form.
pub(super) fn post(address: SocketAddr, path: &str, headers: &str, form: &str) -> Said {
    let length = form.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n{headers}\r\n"
    );
    send(address, &(head + form))
}

impl Said {
    pub(super) fn has(&self, header: &str) -> bool {
        self.head.lines().any(|line| line == header)
    }
}
