//! What WebSocket costs by itself: for each envelope that comes in, the same ready frame goes out
//! to the one reader, without conversion and without a look at who wants what.

use super::wire::{CLOSE, binary_head, control, grant, read, write_all};
use bytes::Bytes;
use hydrant_proto::convert::to_v1;
use hydrant_proto::v2;
use hydrant_rpc::batch::elements;
use prost::Message;
use std::io;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Bytes of one write, as the WebSocket frontend has it, unless a batch has more.
const WRITE_BYTES: usize = 64 * 1024;
/// 1001: we stop.
const GOING_AWAY: [u8; 2] = 1001_u16.to_be_bytes();

/// Lets one reader in, and writes to it until there are no more batches.
///
/// # Errors
/// The reader breaks its connection, or what comes in is no batch.
pub(super) async fn serve(
    listener: TcpListener,
    mut batches: mpsc::Receiver<Bytes>,
) -> io::Result<()> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    grant(&stream).await?;
    let mut frames = Frames::default();
    while let Some(batch) = batches.recv().await {
        frames.add(&batch)?;
        while frames.ready.len() < WRITE_BYTES
            && let Ok(batch) = batches.try_recv()
        {
            frames.add(&batch)?;
        }
        write_all(&stream, &frames.ready).await?;
        frames.ready.clear();
    }
    write_all(&stream, &control(CLOSE, &GOING_AWAY)).await?;
    while read(&stream, &mut [0; 256]).await? > 0 {}
    Ok(())
}

#[derive(Default)]
struct Frames {
    /// What every envelope becomes: the frame of the first.
    frame: Vec<u8>,
    /// Waits to be written.
    ready: Vec<u8>,
}

impl Frames {
    fn add(&mut self, batch: &[u8]) -> io::Result<()> {
        for element in elements(batch) {
            let element = element
                .ok()
                .ok_or_else(|| io::Error::other("what came in is no batch"))?;
            if self.frame.is_empty() {
                self.frame = frame(element)?;
            }
            self.ready.extend_from_slice(&self.frame);
        }
        Ok(())
    }
}

fn frame(envelope: &[u8]) -> io::Result<Vec<u8>> {
    let mut frame = Vec::new();
    for message in to_v1(v2::Envelope::decode(envelope)?) {
        let bytes = message.encode_to_vec();
        frame.extend(binary_head(bytes.len()));
        frame.extend(bytes);
    }
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::batches::ReadyBatches;

    #[test]
    fn every_envelope_becomes_the_same_frame() {
        let ready = ReadyBatches::new(10, 250, 10).unwrap();
        let mut frames = Frames::default();
        frames.add(&ready.get(0)).unwrap();
        frames.add(&ready.get(1)).unwrap();
        assert_eq!(frames.ready, frames.frame.repeat(20));
        assert_eq!(frames.frame[..2], [0x82, 126]);
        assert!(frames.frame.len() > 200, "{}", frames.frame.len());
        let error = frames.add(b"\x0a\xff").unwrap_err();
        assert!(error.to_string().contains("no batch"), "{error}");
    }
}
