//! A server's half of a WebSocket, whose messages are counted and not looked into.

use crate::flow::wire::{BINARY, CLOSE, CONTROL_BYTES_MAX, FIN, LENGTH_16, LENGTH_64, PING, PONG};

/// What a server says beside its messages, and a client acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Wants a pong with the same payload.
    Ping(Vec<u8>),
    /// Says nothing more, for this reason (RFC 6455, section 7.4); 1005 if it gives none.
    Close(u16),
}

/// What came is no WebSocket's, or not one of ours: it has the first byte of this frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame that begins with {0:#04x}")]
pub struct Malformed(pub u8);

/// Counts the binary messages in a stream that comes in pieces.
#[derive(Debug, Default)]
pub struct Frames {
    /// Of a message that began earlier: bytes still to come.
    left: u64,
    /// A head, or a control frame, of which a part came earlier.
    begun: Vec<u8>,
}

/// A frame that has begun.
#[derive(Debug)]
struct Head {
    opcode: u8,
    /// Bytes up to the payload.
    bytes: usize,
    payload_bytes: u64,
}

impl Frames {
    /// Takes the next piece. Gives how many messages end in it, and adds to `controls` what else
    /// the server says.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn take(
        &mut self,
        mut piece: &[u8],
        controls: &mut Vec<Control>,
    ) -> Result<u64, Malformed> {
        let mut count = 0;
        while let Some(first) = piece.first() {
            if self.left > 0 {
                let (passed, ends) = self.pass(piece.len());
                count += u64::from(ends);
                piece = &piece[passed..];
            } else if self.begun.is_empty() {
                match self.begin(piece, controls)? {
                    Some((taken, ends)) => {
                        count += u64::from(ends);
                        piece = &piece[taken..];
                    }
                    None => {
                        self.begun.extend_from_slice(piece);
                        return Ok(count);
                    }
                }
            } else {
                self.begun.push(*first);
                piece = &piece[1..];
                let begun = std::mem::take(&mut self.begun);
                match self.begin(&begun, controls)? {
                    Some((_, ends)) => count += u64::from(ends),
                    None => self.begun = begun,
                }
            }
        }
        Ok(count)
    }

    /// Of so many bytes, how many are the message's that is under way, and whether it ends.
    fn pass(&mut self, bytes: usize) -> (usize, bool) {
        let passed = usize::try_from(self.left).map_or(bytes, |left| left.min(bytes));
        self.left -= passed as u64;
        (passed, self.left == 0)
    }

    /// Begins a frame if its head, or all of it if it is a control frame, is there. Gives the bytes
    /// taken, and whether it was a message that has already ended.
    fn begin(
        &mut self,
        bytes: &[u8],
        controls: &mut Vec<Control>,
    ) -> Result<Option<(usize, bool)>, Malformed> {
        let Some(head) = Head::of(bytes) else {
            return Ok(None);
        };
        if head.opcode == FIN | BINARY {
            self.left = head.payload_bytes;
            return Ok(Some((head.bytes, self.left == 0)));
        }
        let length = usize::try_from(head.payload_bytes).unwrap_or(usize::MAX);
        if length > CONTROL_BYTES_MAX {
            return Err(Malformed(head.opcode));
        }
        let end = head.bytes + length;
        let Some(payload) = bytes.get(head.bytes..end) else {
            return Ok(None);
        };
        control(head.opcode, payload, controls)?;
        Ok(Some((end, false)))
    }
}

fn control(opcode: u8, payload: &[u8], controls: &mut Vec<Control>) -> Result<(), Malformed> {
    const PING_FRAME: u8 = FIN | PING;
    const PONG_FRAME: u8 = FIN | PONG;
    const CLOSE_FRAME: u8 = FIN | CLOSE;
    const NO_REASON: u16 = 1005;
    match opcode {
        PING_FRAME => controls.push(Control::Ping(payload.to_vec())),
        CLOSE_FRAME => {
            let code = payload.first_chunk().copied().map(u16::from_be_bytes);
            controls.push(Control::Close(code.unwrap_or(NO_REASON)));
        }
        PONG_FRAME => {}
        other => return Err(Malformed(other)),
    }
    Ok(())
}

impl Head {
    /// Nothing if there is too little of it. A masked one has a length that no control frame has.
    fn of(bytes: &[u8]) -> Option<Self> {
        let (opcode, rest) = bytes.split_first()?;
        let (length, rest) = rest.split_first()?;
        let (bytes, payload_bytes) = match *length {
            LENGTH_16 => (4, u16::from_be_bytes(*rest.first_chunk()?).into()),
            LENGTH_64 => (10, u64::from_be_bytes(*rest.first_chunk()?)),
            length => (2, length.into()),
        };
        Some(Self {
            opcode: *opcode,
            bytes,
            payload_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::wire::{binary_head, control};

    /// Messages of all three kinds of length, with control frames in between.
    fn stream() -> Vec<u8> {
        let mut stream = Vec::new();
        for bytes in [0, 1, 125, 126, 300, 65_535, 65_536, 7] {
            stream.extend(control(PING, b"ping"));
            stream.extend(binary_head(bytes));
            stream.extend(vec![0x82; bytes]);
        }
        stream.extend(control(PONG, b""));
        stream.extend(control(CLOSE, b"\x03\xe9the server is stopping"));
        stream
    }

    #[test]
    fn counts_alike_however_the_stream_is_cut() {
        let stream = stream();
        for piece_bytes in [1, 2, 3, 7, 131, 4096, stream.len()] {
            let mut frames = Frames::default();
            let mut controls = Vec::new();
            let mut count = 0;
            for piece in stream.chunks(piece_bytes) {
                count += frames.take(piece, &mut controls).unwrap();
            }
            assert_eq!(count, 8, "in pieces of {piece_bytes}");
            let close = controls.pop();
            assert_eq!(close, Some(Control::Close(1001)));
            assert_eq!(controls, vec![Control::Ping(b"ping".to_vec()); 8]);
        }
    }

    #[test]
    fn a_message_counts_when_it_is_whole() {
        let mut frames = Frames::default();
        let mut take = |piece: &[u8]| frames.take(piece, &mut Vec::new()).unwrap();
        assert_eq!(take(b"\x82"), 0);
        assert_eq!(take(b"\x02a"), 0);
        assert_eq!(take(b"b\x82\x00\x82"), 2);
        assert_eq!(take(b"\x01x"), 1);
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let refused = |piece: &[u8]| Frames::default().take(piece, &mut Vec::new());
        assert_eq!(refused(b"\x81\x01a"), Err(Malformed(0x81)));
        assert_eq!(refused(b"\x02\x01a"), Err(Malformed(0x02)));
        assert_eq!(refused(b"\x89\x7e\x00\x7e"), Err(Malformed(0x89)));
        assert_eq!(refused(b"\x89\x81\x00\x00"), Err(Malformed(0x89)));
        let mut controls = Vec::new();
        assert_eq!(Frames::default().take(b"\x88\x00", &mut controls), Ok(0));
        assert_eq!(controls, [Control::Close(1005)]);
    }
}
