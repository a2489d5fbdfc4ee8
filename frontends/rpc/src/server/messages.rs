//! A request's messages.

use super::PREFIX_BYTES;
use super::unfinished::{Kept, Unfinished};
use bytes::{Buf, Bytes};
use http_body::Body as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;

/// A message that comes in several frames is given so many times the memory of the first at first,
/// whatever its length is said to be: Go's senders cut a usual batch into two or three.
const FRAMES_FIRST: usize = 4;
/// How long a message may take from beginning to end: there is room for few unfinished ones.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(20);
const NOT_COMPRESSED: u8 = 0;
const COMPRESSED: u8 = 1;

/// Takes a request's body apart.
#[derive(Debug)]
pub struct Messages {
    body: Body,
    /// What is left of the newest frame.
    chunk: Bytes,
    message_bytes_max: usize,
    /// Of the message that is put together, or was given out last.
    kept: Kept,
}

/// Why there are no more messages although the client has not ended them in order. Each with what to
/// answer.
#[derive(Debug)]
pub enum Broken {
    /// A message is larger than allowed. It has not been read.
    Oversize(Status),
    /// The client ended its side within a message.
    Cut(Status),
    /// A message that had begun did not end in time.
    Late(Status),
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
            | Self::Late(status)
            | Self::Refused(status)
            | Self::Reset(status) => status,
        }
    }
}

impl Messages {
    /// The messages of a body, each of at most `message_bytes_max`; parts of them as far as
    /// `unfinished` has room for them. To be used where tokio's time goes on.
    pub const fn new(body: Body, message_bytes_max: usize, unfinished: Arc<Unfinished>) -> Self {
        Self {
            body,
            chunk: Bytes::new(),
            message_bytes_max,
            kept: Kept::nothing(unfinished),
        }
    }

    /// The next message; nothing after the last. A message that lies in one frame is not copied.
    /// One that does not counts as unfinished until the next is asked for.
    /// Must not be called again after it was dropped unfinished.
    ///
    /// # Errors
    /// [`Broken`]: there are no more.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        self.kept.release();
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
        let message = timeout(MESSAGE_TIMEOUT, self.put_together(length)).await;
        message.unwrap_or_else(|_| {
            let text = "the message did not come in time";
            Err(Broken::Late(Status::deadline_exceeded(text)))
        })
    }

    async fn put_together(&mut self, length: usize) -> Result<Bytes, Broken> {
        let mut message = Vec::new();
        while message.len() < length {
            if self.chunk.is_empty() && !self.more().await? {
                return Err(Broken::Cut(Status::internal("unexpected EOF")));
            }
            let count = self.chunk.len().min(length - message.len());
            self.make_room(&mut message, count, length).await;
            message.extend_from_slice(&self.chunk[..count]);
            self.chunk.advance(count);
        }
        Ok(message.into())
    }

    /// Makes room in a part of a message for `count` bytes more, in few steps.
    async fn make_room(&mut self, message: &mut Vec<u8>, count: usize, length: usize) {
        let needed = message.len() + count;
        if needed <= message.capacity() {
            return;
        }
        let usual = (2 * message.capacity()).max(FRAMES_FIRST * count);
        let capacity = usual.clamp(needed, length);
        self.kept.grow_to(capacity).await;
        message.reserve_exact(capacity - message.len());
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
    use futures_util::Stream;
    use futures_util::future::join_all;
    use futures_util::stream::{iter, poll_fn as stream_of};
    use http_body_util::StreamBody;
    use std::convert::Infallible;
    use std::task::Poll;
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
    use tonic::Code;

    fn messages(
        frames: impl Stream<Item = Result<http_body::Frame<Bytes>, Infallible>> + Send + 'static,
        unfinished: &Arc<Unfinished>,
    ) -> Messages {
        let body = Body::new(StreamBody::new(frames));
        Messages::new(body, 1_000, unfinished.clone())
    }

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(test)
    }

    /// Messages that come frame by frame.
    fn sent(unfinished: &Arc<Unfinished>) -> (UnboundedSender<Bytes>, Messages) {
        let (sender, mut queue) = unbounded_channel::<Bytes>();
        let frames = stream_of(move |context| {
            let frame = queue.poll_recv(context);
            frame.map(|frame| frame.map(|bytes| Ok(http_body::Frame::data(bytes))))
        });
        (sender, messages(frames, unfinished))
    }

    /// What comes of a request in these frames.
    fn taken(frames: &[&[u8]]) -> (Vec<Bytes>, Option<(Code, String)>) {
        let frames: Vec<_> = frames
            .iter()
            .map(|frame| Bytes::copy_from_slice(frame))
            .map(|frame| Ok::<_, Infallible>(http_body::Frame::data(frame)))
            .collect();
        let mut messages = messages(iter(frames), &Unfinished::new(500));
        let mut taken = Vec::new();
        let end = block_on(async {
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

    /// Lets it come as far as it does without waiting; it is not over then.
    async fn begin(next: &mut (impl Future + Unpin)) {
        let began = poll_fn(|context| Poll::Ready(Pin::new(&mut *next).poll(context).is_pending()));
        assert!(began.await);
    }

    #[test]
    fn what_is_kept_is_little_more_than_what_has_come() {
        let unfinished = Unfinished::new(1 << 20);
        block_on(async {
            let (sender, mut messages) = sent(&unfinished);
            let mut next = Box::pin(messages.next());
            let came = [&prefix(1_000)[..], &[7; 10]].concat();
            sender.send(came.into()).unwrap();
            begin(&mut next).await;
            assert!((10..=40).contains(&unfinished.bytes()));
            sender.send(vec![7; 990].into()).unwrap();
            assert_eq!(next.await.unwrap().unwrap(), [7; 1_000][..]);
            assert_eq!(unfinished.bytes(), 1_000, "as long as it may be in use");
            begin(&mut Box::pin(messages.next())).await;
            assert_eq!(unfinished.bytes(), 0);
        });
    }

    #[test]
    fn who_begins_many_messages_and_ends_none_waits() {
        let unfinished = Unfinished::new(2_000);
        block_on(async {
            let mut streams: Vec<_> = (0..50).map(|_| sent(&unfinished)).collect();
            let (senders, messages): (Vec<_>, Vec<_>) = streams
                .iter_mut()
                .map(|(sender, messages)| (sender, messages))
                .unzip();
            let next = messages.into_iter().map(|messages| {
                Box::pin(async {
                    let length = messages.next().await.unwrap().unwrap().len();
                    messages.kept.release();
                    length
                })
            });
            let mut next: Vec<_> = next.collect();
            for (sender, next) in senders.iter().zip(&mut next) {
                let came = [&prefix(1_000)[..], &[7; 900]].concat();
                sender.send(came.into()).unwrap();
                begin(next).await;
            }
            assert!((2_000..=3_000).contains(&unfinished.bytes()));
            // Whose message has room ends it, and then the next has room.
            for sender in senders {
                sender.send(vec![7; 100].into()).unwrap();
            }
            assert_eq!(join_all(next).await, [1_000; 50]);
        });
        assert_eq!(unfinished.bytes(), 0);
    }

    /// Each has a part, and together they have all that there is room for.
    #[test]
    fn messages_that_wait_for_each_other_end_one_after_the_other() {
        let unfinished = Unfinished::new(2_000);
        block_on(async {
            let mut streams: Vec<_> = (0..5).map(|_| sent(&unfinished)).collect();
            let mut ends = Vec::new();
            for (sender, messages) in &mut streams {
                sender.send(prefix(1_000)[..].to_vec().into()).unwrap();
                for _ in 0..4 {
                    sender.send(vec![7; 100].into()).unwrap();
                }
                let mut end = Box::pin(async {
                    let length = messages.next().await.unwrap().unwrap().len();
                    messages.kept.release();
                    length
                });
                begin(&mut end).await;
                for _ in 0..6 {
                    sender.send(vec![7; 100].into()).unwrap();
                }
                ends.push(end);
            }
            assert_eq!(unfinished.bytes(), 2_000);
            assert_eq!(join_all(ends).await, [1_000; 5]);
        });
    }

    #[test]
    fn a_message_that_does_not_end_in_time_is_given_up() {
        let unfinished = Unfinished::new(2_000);
        block_on(async {
            tokio::time::pause();
            let (sender, mut messages) = sent(&unfinished);
            let came = [&prefix(1_000)[..], &[7; 10]].concat();
            sender.send(came.into()).unwrap();
            let broken = messages.next().await.unwrap_err();
            assert!(matches!(broken, Broken::Late(_)));
            drop(messages);
        });
        assert_eq!(unfinished.bytes(), 0);
    }
}
