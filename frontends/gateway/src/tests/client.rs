//! An HTTP/1.1 client that sees every byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a connection may end without the words for it.
const ENDS: [ErrorKind; 2] = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];

/// A connection with a request on it.
pub(super) struct Client<S = TcpStream> {
    stream: S,
    received: Vec<u8>,
}

/// An answer that is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) status: u16,
    /// Sorted, without the date.
    pub(super) headers: Vec<String>,
    pub(super) body: String,
}

pub(super) fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A request without body. Headers are whole lines.
pub(super) fn request(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: gateway\r\n{headers}\r\n")
}

/// Asks, and reads an answer that has an end.
pub(super) fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> Whole {
    let mut client = Client::new(dial(address), &request(method, path, headers));
    let (status, headers) = client.head();
    let length = headers
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().unwrap());
    let body = if method == "HEAD" {
        Vec::new()
    } else {
        client.take(length)
    };
    Whole {
        status,
        headers,
        body: String::from_utf8(body).unwrap(),
    }
}

/// Opens a stream; its head has come.
pub(super) fn open(address: SocketAddr, path: &str) -> Client {
    open_with(address, path, "")
}

pub(super) fn open_with(address: SocketAddr, path: &str, headers: &str) -> Client {
    let mut client = Client::new(dial(address), &request("GET", path, headers));
    let (status, _) = client.head();
    assert_eq!(status, 200, "{path}");
    client
}

impl<S: Read + Write> Client<S> {
    pub(super) fn new(mut stream: S, request: &str) -> Self {
        stream.write_all(request.as_bytes()).unwrap();
        let received = Vec::new();
        Self { stream, received }
    }

    /// Status and headers.
    pub(super) fn head(&mut self) -> (u16, Vec<String>) {
        let head = self.until(b"\r\n\r\n");
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let mut headers: Vec<_> = lines.map(lower_name).collect();
        headers.retain(|line| !line.starts_with("date: "));
        headers.sort_unstable();
        (status.parse().unwrap(), headers)
    }

    /// A chunk of a body that comes in chunks: an event. Nothing at the end of the body.
    pub(super) fn event(&mut self) -> Option<String> {
        let size = String::from_utf8(self.until(b"\r\n")).unwrap();
        let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
        let mut chunk = self.take(size + 2);
        chunk.truncate(size);
        (size > 0).then(|| String::from_utf8(chunk).unwrap())
    }

    /// Whatever comes until the connection ends.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.received)
    }

    fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            let found = self.received.windows(end.len()).position(|at| at == end);
            if let Some(index) = found {
                return self.received.drain(..index + end.len()).collect();
            }
            assert!(self.fill(), "ended after {:?}", self.received);
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        while self.received.len() < count {
            assert!(self.fill(), "ended after {:?}", self.received);
        }
        self.received.drain(..count).collect()
    }

    fn fill(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes) {
            Ok(count) => {
                self.received.extend(&bytes[..count]);
                count > 0
            }
            Err(error) if ENDS.contains(&error.kind()) => false,
            Err(error) => panic!("{error} after {:?}", self.received),
        }
    }
}

fn lower_name(line: &str) -> String {
    let (name, value) = line.split_once(": ").unwrap();
    format!("{}: {value}", name.to_ascii_lowercase())
}
