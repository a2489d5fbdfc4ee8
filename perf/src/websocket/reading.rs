//! The readers: clients of the Traffic Controller, as light as they can be, for they share a core
//! with the senders. What they read is counted where the kernel has put it.

use super::frames::{Control, Frames, Malformed};
use crate::flow::balance::Wanted;
use crate::flow::error::{FlowError, machine};
use crate::flow::measured::Count;
use crate::flow::reading::Buffer;
use crate::flow::wire::{CLOSE, PONG, ask, masked_control, write_all};
use crate::samples::app_guid;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// What a server that stops says at its end.
const GOING_AWAY: u16 = 1001;

/// A WebSocket that is open.
#[derive(Debug)]
pub struct Reader {
    stream: TcpStream,
    frames: Frames,
    buffer: Buffer,
    /// What came with the answer.
    early: Vec<u8>,
    controls: Vec<Control>,
}

impl Reader {
    /// Opens a stream. When this returns, the server keeps what is sent for it.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn open(
        address: SocketAddr,
        wanted: Wanted,
        buffer: Buffer,
    ) -> Result<Self, FlowError> {
        let open = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let early = ask(&stream, &path(wanted)).await?;
            Ok((stream, early))
        };
        let (stream, early) = open.await.map_err(machine("opening a WebSocket"))?;
        Ok(Self {
            stream,
            frames: Frames::default(),
            buffer,
            early,
            controls: Vec::new(),
        })
    }

    /// Counts until the server says that it stops, and agrees.
    ///
    /// # Errors
    /// It ends otherwise.
    pub async fn count(mut self, received: Count) -> Result<(), FlowError> {
        let early = std::mem::take(&mut self.early);
        let taken = self.frames.take(&early, &mut self.controls);
        received.add(taken.map_err(malformed)?);
        while !self.answer().await? {
            received.add(self.read().await?);
        }
        Ok(())
    }

    /// Answers what the server has said beside its messages. Whether that was its last word.
    async fn answer(&mut self) -> Result<bool, FlowError> {
        let say = machine("writing to a WebSocket");
        for control in self.controls.drain(..) {
            match control {
                Control::Ping(payload) => {
                    let pong = masked_control(PONG, &payload);
                    write_all(&self.stream, &pong).await.map_err(&say)?;
                }
                Control::Close(GOING_AWAY) => {
                    let close = masked_control(CLOSE, &GOING_AWAY.to_be_bytes());
                    write_all(&self.stream, &close).await.map_err(&say)?;
                    return Ok(true);
                }
                Control::Close(code) => {
                    return Err(FlowError::Websocket(format!("closed with {code}")));
                }
            }
        }
        Ok(false)
    }

    /// Messages that end in what is read.
    async fn read(&mut self) -> Result<u64, FlowError> {
        let Self {
            stream,
            frames,
            buffer,
            controls,
            ..
        } = self;
        let take = |piece: &[u8]| match piece {
            [] => Err(FlowError::Websocket("ended without a word".to_owned())),
            piece => frames.take(piece, controls).map_err(malformed),
        };
        let read = buffer.read(stream, take).await;
        read.map_err(machine("reading a WebSocket"))?
    }
}

fn malformed(error: Malformed) -> FlowError {
    FlowError::Websocket(error.to_string())
}

/// Firehoses are all of one subscription.
fn path(wanted: Wanted) -> String {
    match wanted {
        Wanted::Firehose => "/firehose/bench".to_owned(),
        Wanted::App(app) => format!("/apps/{}/stream", app_guid(app)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::bare::{Bare, Out};
    use crate::flow::batches::ReadyBatches;
    use crate::flow::sending::{Load, send};
    use hydrant_rpc::channel::connect;
    use std::time::Duration;
    use tokio::runtime::Runtime;
    use tokio::time::{sleep, timeout};

    fn runtime() -> Runtime {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    }

    #[test]
    fn what_is_sent_over_grpc_is_counted_to_one_message() {
        let bare = Bare::start(None, Out::Websocket).unwrap();
        let websocket = bare.websocket_address().unwrap();
        let batches = ReadyBatches::new(100, 250, 1000).unwrap();
        let load = Load::new(batches, 1, None, None);
        let received = Count::default();
        runtime().block_on(async {
            let reader = Reader::open(websocket, Wanted::Firehose, Buffer::default()).await;
            let reading = tokio::spawn(reader.unwrap().count(received.clone()));
            let channel = connect(&bare.address().to_string(), None).await.unwrap();
            let sending = tokio::spawn(send(channel, load.clone(), 0));
            let some = async {
                while received.get() < 10_000 {
                    sleep(Duration::from_millis(1)).await;
                }
            };
            timeout(Duration::from_secs(60), some).await.unwrap();
            load.stop();
            sending.await.unwrap().unwrap();
            let stopping = std::thread::spawn(move || bare.stop());
            reading.await.unwrap().unwrap();
            stopping.join().unwrap().unwrap();
        });
        assert_eq!(received.get(), load.sent());
    }

    #[test]
    fn an_end_without_a_word_is_an_error() {
        runtime().block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let serving = tokio::spawn(async move {
                let (stream, _) = listener.accept().await.unwrap();
                crate::flow::wire::grant(&stream).await.unwrap();
                write_all(&stream, b"\x82\x01a\x89\x00").await.unwrap();
                let mut pong = [0; 6];
                let count = crate::flow::wire::read(&stream, &mut pong).await.unwrap();
                pong[..count].to_vec()
            });
            let reader = Reader::open(address, Wanted::App(1), Buffer::default())
                .await
                .unwrap();
            let received = Count::default();
            let error = reader.count(received.clone()).await.unwrap_err();
            assert!(error.to_string().contains("without a word"), "{error}");
            assert_eq!(serving.await.unwrap(), masked_control(PONG, b""));
            assert_eq!(received.get(), 1);
        });
    }
}
