//! A request's messages.

use super::PREFIX_BYTES;
use bytes::{Buf, Bytes, BytesMut};
use http_body::Body as _;
use std::future::poll_fn;
use std::pin::Pin;
use tonic::Status;
use tonic::body::Body;

/// What a message that comes in several frames is given at first, in bytes, whatever its length is
/// said to be.
const FIRST_BYTES_MAX: usize = 256 * 1024;
const NOT_COMPRESSED: u8 = 0;
const COMPRESSED: u8 = 1;

/// Takes a request's body apart.
#[derive(Debug)]
pub struct Messages {
    body: Body,
    /// What is left of the newest frame.
    chunk: Bytes,
    message_bytes_max: usize,
}

/// Why there are no more messages although the client has not ended them in order. Each with what to
/// answer.
#[derive(Debug)]
pub enum Broken {
    /// A message is larger than allowed. It has not been read.
    Oversize(Status),
    /// The client ended its side within a message.
    Cut(Status),
    /// A message is not as we take them: compressed, or with a flag that nobody knows.
    Refused(Status),
    /// The client has reset the stream, or its connection broke. Nobody will read the answer.
    Reset(Status),
}

impl Broken {
    /// What to answer.
    pub fn into_status(self) -> Status {
        match self {
            Self::Oversize(status)
            | Self::Cut(status)
            | Self::Refused(status)
            | Self::Reset(status) => status,
        }
    }
}

impl Messages {
    /// The messages of a body, each of at most `message_bytes_max`.
    pub const fn new(body: Body, message_bytes_max: usize) -> Self {
        Self {
            body,
            chunk: Bytes::new(),
            message_bytes_max,
        }
    }

    /// The next message; nothing after the last. A message that lies in one frame is not copied.
    /// Must not be called again after it was dropped unfinished.
    ///
    /// # Errors
    /// [`Broken`]: there are no more.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        match self.prefix().await? {
            None => Ok(None),
            Some(length) => self.message(length).await.map(Some),
        }
    }

    async fn prefix(&mut self) -> Result<Option<usize>, Broken> {
        let mut prefix = [0; PREFIX_BYTES];
        let mut filled = 0;
        while filled < PREFIX_BYTES {
            if self.chunk.is_empty() && !self.more().await? {
                return match filled {
                    0 => Ok(None),
                    _ => Err(Broken::Cut(Status::unknown("EOF"))),
                };
            }
            let count = self.chunk.len().min(PREFIX_BYTES - filled);
            self.chunk
                .copy_to_slice(&mut prefix[filled..filled + count]);
            filled += count;
        }
        self.length(prefix).map(Some)
    }

    fn length(&self, [flag, length @ ..]: [u8; PREFIX_BYTES]) -> Result<usize, Broken> {
        match flag {
            NOT_COMPRESSED => {}
            COMPRESSED => {
                let text = "grpc: compressed flag set with identity or empty encoding";
                return Err(Broken::Refused(Status::internal(text)));
            }
            other => {
                let text = format!("grpc: received unexpected payload format {other}");
                return Err(Broken::Refused(Status::internal(text)));
            }
        }
        let length = u32::from_be_bytes(length);
        let max = self.message_bytes_max;
        match usize::try_from(length) {
            Ok(length) if length <= max => Ok(length),
            _ => Err(Broken::Oversize(Status::resource_exhausted(format!(
                "grpc: received message larger than max ({length} vs. {max})"
            )))),
        }
    }

    async fn message(&mut self, length: usize) -> Result<Bytes, Broken> {
        if self.chunk.len() >= length {
            return Ok(self.chunk.split_to(length));
        }
        let mut message = BytesMut::with_capacity(length.min(FIRST_BYTES_MAX));
        while message.len() < length {
            if self.chunk.is_empty() && !self.more().await? {
                return Err(Broken::Cut(Status::internal("unexpected EOF")));
            }
            let count = self.chunk.len().min(length - message.len());
            message.extend_from_slice(&self.chunk[..count]);
            self.chunk.advance(count);
        }
        Ok(message.freeze())
    }

    /// Waits for the next frame with data; false if there is none.
    async fn more(&mut self) -> Result<bool, Broken> {
        loop {
            let frame = poll_fn(|context| Pin::new(&mut self.body).poll_frame(context)).await;
            let Some(frame) = frame.transpose().map_err(Broken::Reset)? else {
                return Ok(false);
            };
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => {
                    self.chunk = data;
                    return Ok(true);
                }
                Err(_) => {} // Trailers, which say nothing to us.
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::prefix;
    use futures_util::stream::iter;
    use http_body_util::StreamBody;
    use std::convert::Infallible;
    use tonic::Code;

    /// What comes of a request in these frames.
    fn taken(frames: &[&[u8]]) -> (Vec<Bytes>, Option<(Code, String)>) {
        let frames: Vec<_> = frames
            .iter()
            .map(|frame| Bytes::copy_from_slice(frame))
            .map(|frame| Ok::<_, Infallible>(http_body::Frame::data(frame)))
            .collect();
        let mut messages = Messages::new(Body::new(StreamBody::new(iter(frames))), 1_000);
        let mut taken = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let end = runtime.unwrap().block_on(async {
            loop {
                match messages.next().await {
                    Ok(Some(message)) => taken.push(message),
                    Ok(None) => return None,
                    Err(broken) => return Some(broken.into_status()),
                }
            }
        });
        (taken, end.map(|end| (end.code(), end.message().to_owned())))
    }

    #[test]
    fn messages_are_the_same_however_frames_cut_them() {
        let sent: [&[u8]; 4] = [b"one", b"", &[7; 1_000], b"four"];
        let all: Vec<_> = sent
            .iter()
            .flat_map(|message| [&prefix(message.len())[..], message].concat())
            .collect();
        for size in [1, 2, 3, 5, 7, 100, 5_000] {
            let frames: Vec<_> = all.chunks(size).collect();
            let (taken, end) = taken(&frames);
            assert_eq!(taken, sent, "{size}");
            assert_eq!(end, None);
        }
        assert_eq!(taken(&[b"", b""]), (Vec::new(), None));
    }

    #[test]
    fn what_is_wrong_is_said_in_the_words_of_upstream() {
        let cases: [(&[u8], Code, &str); 6] = [
            (b"\0\0\0", Code::Unknown, "EOF"),
            (b"\0\0\0\0\x05abc", Code::Internal, "unexpected EOF"),
            (
                b"\x01\0\0\0\x01a",
                Code::Internal,
                "grpc: compressed flag set with identity or empty encoding",
            ),
            (
                b"\x02\0\0\0\x01a",
                Code::Internal,
                "grpc: received unexpected payload format 2",
            ),
            (
                b"\0\0\0\x03\xe9",
                Code::ResourceExhausted,
                "grpc: received message larger than max (1001 vs. 1000)",
            ),
            (
                b"\0\xff\xff\xff\xff",
                Code::ResourceExhausted,
                "grpc: received message larger than max (4294967295 vs. 1000)",
            ),
        ];
        for (bytes, code, text) in cases {
            let whole = [&b"\0\0\0\0\x05whole"[..], bytes].concat();
            let (messages, end) = taken(&[&whole]);
            assert_eq!(messages, [&b"whole"[..]]);
            assert_eq!(end, Some((code, text.to_owned())));
        }
    }
}
