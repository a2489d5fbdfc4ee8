//! Requests over HTTP/1.1, byte for byte as recorded.

use super::answer::Answer;
use serde::Deserialize;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

#[derive(Debug, Deserialize)]
pub(super) struct Request {
    method: String,
    target: String,
    /// Lines; a name in braces stands for a token.
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    body: String,
}

/// Headers of a transfer, which differ from one to the next.
const OF_TRANSFER: [&str; 4] = ["date", "connection", "content-length", "transfer-encoding"];

pub(super) fn ask(address: SocketAddr, request: &Request, tokens: &[(String, String)]) -> Answer {
    let Request { method, target, .. } = request;
    let mut text =
        format!("{method} {target} HTTP/1.1\r\nHost: log-cache\r\nConnection: close\r\n");
    for header in &request.headers {
        let fill = |header: String, (name, token): &(String, String)| header.replace(name, token);
        text += &tokens.iter().fold(header.clone(), fill);
        text += "\r\n";
    }
    if !request.body.is_empty() || method == "POST" {
        text += &format!("Content-Length: {}\r\n", request.body.len());
    }
    text += "\r\n";
    text += &request.body;
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    read(&String::from_utf8(answer).unwrap())
}

fn read(answer: &str) -> Answer {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    let headers: Vec<_> = headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    let is_chunked = headers.contains(&("transfer-encoding".to_owned(), "chunked"));
    let body = match is_chunked {
        true => unchunked(body),
        false => body.to_owned(),
    };
    let headers = headers
        .iter()
        .filter(|(name, _)| !OF_TRANSFER.contains(&name.as_str()));
    let mut headers: Vec<_> = headers
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    headers.sort();
    Answer::new(status.parse().unwrap(), "", headers, without_uptime(&body))
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

/// What `/api/v1/info` tells of the host is no fact of the test.
fn without_uptime(body: &str) -> String {
    const UPTIME: &str = "\"vm_uptime\":\"";
    match body.split_once(UPTIME) {
        Some((start, rest)) => {
            let end = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            assert!(end.len() < rest.len(), "{body}");
            format!("{start}{UPTIME}N{end}")
        }
        None => body.to_owned(),
    }
}
