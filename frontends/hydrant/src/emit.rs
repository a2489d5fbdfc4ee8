//! `hydrant emit`: each line becomes a log envelope over UDP, as a dropsonde emitter sends it.

use hydrant_engine::clock::UnixNanos;
use hydrant_proto::v1::{Envelope, LogMessage, envelope::EventType, log_message::MessageType};
use prost::Message;
use std::io::{self, BufRead};
use std::net::{SocketAddr, UdpSocket};

/// The largest UDP payload over IPv4: 65,535 bytes less the heads of IP and UDP.
const PAYLOAD_BYTES_MAX: usize = 65_507;

/// Who speaks, and to whom.
#[derive(Clone, Debug)]
pub struct Emitter {
    /// The app's id.
    pub app: String,
    /// What kind of source: `APP`, `RTR`, …
    pub source_type: String,
    /// Which instance of it.
    pub instance: String,
    /// Whether it speaks on stderr.
    pub is_error: bool,
    /// Where envelopes go.
    pub to: SocketAddr,
}

/// What became of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Emitted {
    /// Envelopes handed to the kernel.
    pub sent: u64,
    /// Lines longer than a datagram.
    pub too_long: u64,
}

impl Emitter {
    /// Sends each line of `input` until it ends; empty lines are no messages.
    ///
    /// # Errors
    /// What reading or sending said; an agent that does not listen is noticed at the second line.
    pub fn run(&self, input: impl BufRead) -> io::Result<Emitted> {
        let unspecified: SocketAddr = match self.to {
            SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
            SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
        };
        let socket = UdpSocket::bind(unspecified)?;
        socket.connect(self.to)?;
        let mut emitted = Emitted::default();
        for line in input.split(b'\n') {
            let line = line?;
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            if line.is_empty() {
                continue;
            }
            let datagram = self.envelope(line).encode_to_vec();
            if datagram.len() > PAYLOAD_BYTES_MAX {
                emitted.too_long += 1;
                continue;
            }
            socket.send(&datagram)?;
            emitted.sent += 1;
        }
        Ok(emitted)
    }

    fn envelope(&self, line: &[u8]) -> Envelope {
        let now = i64::try_from(UnixNanos::now().0).unwrap_or(i64::MAX);
        let message_type = if self.is_error {
            MessageType::Err
        } else {
            MessageType::Out
        };
        Envelope {
            origin: "hydrant".to_owned(),
            event_type: EventType::LogMessage.into(),
            timestamp: Some(now),
            log_message: Some(LogMessage {
                message: line.to_vec().into(),
                message_type: message_type.into(),
                timestamp: now,
                app_id: Some(self.app.clone()),
                source_type: Some(self.source_type.clone()),
                source_instance: Some(self.instance.clone()),
            }),
            ..Envelope::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_an_envelope_and_a_long_one_is_counted() {
        let agent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let emitter = Emitter {
            app: "app".into(),
            source_type: "APP".into(),
            instance: "1".into(),
            is_error: true,
            to: agent.local_addr().unwrap(),
        };
        let input = [
            b"one\r\n\ntwo\n".to_vec(),
            vec![b'x'; 70_000],
            b"\nlast".to_vec(),
        ]
        .concat();
        let emitted = emitter.run(&input[..]).unwrap();
        assert_eq!(
            emitted,
            Emitted {
                sent: 3,
                too_long: 1
            }
        );
        let mut buffer = [0; 1000];
        for expected in ["one", "two", "last"] {
            let length = agent.recv(&mut buffer).unwrap();
            let envelope = Envelope::decode(&buffer[..length]).unwrap();
            let log = envelope.log_message.unwrap();
            assert_eq!(log.message, expected.as_bytes());
            assert_eq!(log.app_id.as_deref(), Some("app"));
            assert_eq!(log.message_type, MessageType::Err as i32);
        }
    }
}
