//! What syslog costs by itself: for each envelope that comes in, the same ready line goes out to the
//! one drain, without formatting and without a look at who wants what.

use super::wire::write_all;
use bytes::Bytes;
use hydrant_proto::v2;
use hydrant_proto::v2::envelope::Message as Kind;
use hydrant_rpc::batch::elements;
use prost::Message;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Bytes of one write, as the syslog frontend has it, or a little less.
const WRITE_BYTES: usize = 64 * 1024;

/// Connects to the drain, and writes to it until there are no more batches.
///
/// # Errors
/// The drain breaks its connection, or what comes in is no batch of logs.
pub(super) async fn serve(drain: SocketAddr, mut batches: mpsc::Receiver<Bytes>) -> io::Result<()> {
    let stream = TcpStream::connect(drain).await?;
    stream.set_nodelay(true)?;
    let mut lines = Lines::default();
    while let Some(batch) = batches.recv().await {
        lines.owe(&batch)?;
        while lines.owed < lines.full()
            && let Ok(batch) = batches.try_recv()
        {
            lines.owe(&batch)?;
        }
        while let Some(ready) = lines.next() {
            write_all(&stream, ready).await?;
        }
    }
    Ok(())
}

#[derive(Default)]
struct Lines {
    /// Of one line; what every envelope becomes is the line of the first.
    line_bytes: usize,
    /// As many lines as one write takes.
    ready: Vec<u8>,
    /// Lines that have to be written.
    owed: usize,
}

impl Lines {
    /// A line more for each envelope of a batch.
    fn owe(&mut self, batch: &[u8]) -> io::Result<()> {
        for element in elements(batch) {
            let element = element
                .ok()
                .ok_or_else(|| io::Error::other("what came in is no batch"))?;
            if self.ready.is_empty() {
                let line = line(element)?;
                self.line_bytes = line.len();
                self.ready = line.repeat((WRITE_BYTES / line.len()).max(1));
            }
            self.owed += 1;
        }
        Ok(())
    }

    /// Lines of one write, at most.
    fn full(&self) -> usize {
        self.ready.len() / self.line_bytes.max(1)
    }

    /// What is to be written next.
    fn next(&mut self) -> Option<&[u8]> {
        let count = self.owed.min(self.full());
        self.owed -= count;
        (count > 0).then(|| &self.ready[..count * self.line_bytes])
    }
}

/// A line as Hydrant's, in its length and in what readers look at.
fn line(envelope: &[u8]) -> io::Result<Vec<u8>> {
    let envelope = v2::Envelope::decode(envelope)?;
    let Some(Kind::Log(log)) = envelope.message else {
        return Err(io::Error::other("what came in is no log"));
    };
    let (source, instance) = (&envelope.source_id, &envelope.instance_id);
    let source_type = envelope.tags.get("source_type").map_or("", String::as_str);
    let tags = envelope.tags.iter();
    let tags: String = tags
        .map(|(name, value)| format!(" {name}=\"{value}\""))
        .collect();
    let head = format!(
        "<14>1 2023-11-14T22:13:20.000005+00:00 - {source} [{source_type}/{instance}] - \
         [tags@47450{tags}] "
    );
    let count = format!("{} ", head.len() + log.payload.len() + 1);
    Ok([count.as_bytes(), head.as_bytes(), &log.payload, b"\n"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::batches::ReadyBatches;

    #[test]
    fn every_envelope_becomes_the_same_line() {
        let ready = ReadyBatches::new(100, 250, 10).unwrap();
        let mut lines = Lines::default();
        for index in 0..5 {
            lines.owe(&ready.get(index)).unwrap();
        }
        let mut written = Vec::new();
        while let Some(ready) = lines.next() {
            assert!(ready.len() <= WRITE_BYTES);
            written.extend_from_slice(ready);
        }
        let line = &lines.ready[..lines.line_bytes];
        assert_eq!(written, line.repeat(500));
        let text = String::from_utf8(line.to_vec()).unwrap();
        let (count, message) = text.split_once(' ').unwrap();
        assert_eq!(count.parse(), Ok(message.len()));
        assert!(message.starts_with("<14>1 2023-11-14T22:13:20.000005+00:00 - 00000000-"));
        assert!(message.contains(" [APP/PROC/WEB/0] - [tags@47450 deployment=\"cf\" ip=\""));
        let error = lines.owe(b"\x0a\xff").unwrap_err();
        assert!(error.to_string().contains("no batch"), "{error}");
    }
}
