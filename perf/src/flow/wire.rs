//! The few words of HTTP and WebSocket (RFC 6455) that both ends of a run say, over plain TCP.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// The opcodes that are said here.
pub const BINARY: u8 = 2;
/// As [`BINARY`]. No more comes after it.
pub const CLOSE: u8 = 8;
/// As [`BINARY`].
pub const PING: u8 = 9;
/// As [`BINARY`].
pub const PONG: u8 = 10;

/// The frame is whole.
pub const FIN: u8 = 0x80;
/// The frame's payload is masked, as all of a client's are.
pub const MASKED: u8 = 0x80;
/// A payload's length that says that two bytes of it follow.
pub const LENGTH_16: u8 = 126;
/// And eight bytes.
pub const LENGTH_64: u8 = 127;
/// Bytes of a control frame's payload, at most.
pub const CONTROL_BYTES_MAX: usize = 125;

/// The key of the RFC's example, and what it is answered with.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// Bytes of a head; nobody here says more.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Asks for a WebSocket at `path`. Gives what came behind the answer's head.
///
/// # Errors
/// The connection ends, or the answer is another than yes: the first line of it.
pub async fn ask(stream: &TcpStream, path: &str) -> io::Result<Vec<u8>> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: doppler\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    write_all(stream, request.as_bytes()).await?;
    let (head, rest) = read_head(stream).await?;
    if head.starts_with("HTTP/1.1 101 ") && head.contains(ACCEPT) {
        return Ok(rest);
    }
    let first = head.lines().next().unwrap_or_default();
    Err(io::Error::other(format!("{path} is answered {first:?}")))
}

/// Asks for what is at `path`.
///
/// # Errors
/// There is no answer, or it is no 200 and what its length says.
pub async fn get(address: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    let stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n");
    write_all(&stream, request.as_bytes()).await?;
    let (head, mut body) = read_head(&stream).await?;
    let mut some = vec![0; HEAD_BYTES_MAX];
    loop {
        match read(&stream, &mut some).await? {
            0 => break,
            count => body.extend_from_slice(&some[..count]),
        }
    }
    let length = format!("content-length: {}\r\n", body.len());
    if head.starts_with("HTTP/1.1 200 ") && head.to_ascii_lowercase().contains(&length) {
        return Ok(body);
    }
    let (first, count) = (head.lines().next().unwrap_or_default(), body.len());
    Err(io::Error::other(format!(
        "{path} is answered {first:?} and {count} bytes"
    )))
}

/// Answers what [`ask`] asks, whatever the path.
///
/// # Errors
/// The connection ends.
pub async fn grant(stream: &TcpStream) -> io::Result<()> {
    read_head(stream).await?;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    );
    write_all(stream, answer.as_bytes()).await
}

/// Writes all of it.
///
/// # Errors
/// The connection is broken.
pub async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads what there is, at least a byte; 0 is the stream's end.
///
/// # Errors
/// The connection is broken.
pub async fn read(stream: &TcpStream, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        match stream.try_read(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            outcome => return outcome,
        }
    }
}

/// A head up to its empty line, and what came behind it.
async fn read_head(stream: &TcpStream) -> io::Result<(String, Vec<u8>)> {
    const END: &[u8] = b"\r\n\r\n";
    let mut head = Vec::new();
    let mut some = [0; 1024];
    while head.len() < HEAD_BYTES_MAX {
        let count = read(stream, &mut some).await?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&some[..count]);
        if let Some(at) = head.windows(END.len()).position(|window| window == END) {
            let rest = head.split_off(at + END.len());
            return Ok((String::from_utf8_lossy(&head).into_owned(), rest));
        }
    }
    Err(io::Error::other("a head without an end"))
}

/// A control frame, as a server says it.
pub fn control(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap_or(u8::MAX);
    assert!(
        payload.len() <= CONTROL_BYTES_MAX,
        "a control frame is short"
    );
    [&[FIN | opcode, length], payload].concat()
}

/// A control frame, as a client says it; the mask is 0, which leaves everything as it is.
pub fn masked_control(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = control(opcode, payload);
    frame[1] |= MASKED;
    frame.splice(2..2, [0; 4]);
    frame
}

/// The head of a binary message that a server sends.
pub fn binary_head(bytes: usize) -> Vec<u8> {
    let mut head = vec![FIN | BINARY];
    match (u8::try_from(bytes), u16::try_from(bytes)) {
        (Ok(short), _) if short < LENGTH_16 => head.push(short),
        (_, Ok(length)) => {
            head.push(LENGTH_16);
            head.extend(length.to_be_bytes());
        }
        _ => {
            head.push(LENGTH_64);
            head.extend((bytes as u64).to_be_bytes());
        }
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_those_of_the_rfc() {
        assert_eq!(control(PING, b"Hello"), b"\x89\x05Hello");
        assert_eq!(masked_control(PONG, b"Hi"), b"\x8a\x82\0\0\0\0Hi");
        assert_eq!(binary_head(125), [0x82, 125]);
        assert_eq!(binary_head(256), [0x82, 0x7e, 1, 0]);
        assert_eq!(binary_head(65_536), [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
