//! TLS over a drain's connection (RFC 5425): the handshake by tokio-rustls, and then rustls between
//! lines and the ring, so that writes of many drains leave in one submit with TLS too.

use crate::asked::Asked;
use crate::connection::{Connection, Written, closed};
use crate::limits::VERDICT_MS;
use bytes::Bytes;
use hydrant_feed::ending::Ending;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ProtocolVersion};
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Bytes of a TLS record's content (RFC 8446 §5.1).
const RECORD_BYTES: usize = 16 * 1024;

/// A connection to a drain under TLS.
#[derive(Debug)]
pub(crate) struct TlsConnection {
    connection: Connection,
    tls: Rc<RefCell<ClientConnection>>,
}

/// Shakes hands with `host`.
///
/// # Errors
/// There is no agreement; says why, and nothing of certificates' contents.
pub(crate) async fn handshake(
    stream: TcpStream,
    host: &str,
    config: Arc<ClientConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(config).connect(name, stream).await
}

impl TlsConnection {
    /// Takes a stream over whose hands are shaken. Waits a moment for a peer that refuses us after
    /// that, if it has asked for a certificate: what we write meanwhile would be lost.
    ///
    /// # Errors
    /// What the kernel said, or the peer refuses us.
    pub(crate) async fn new(
        stream: TlsStream<TcpStream>,
        asked: &Asked,
        when_broken: impl FnOnce() + 'static,
    ) -> io::Result<Self> {
        let (stream, tls) = stream.into_inner();
        let may_be_refused =
            asked.is_asked() && tls.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        let tls = Rc::new(RefCell::new(tls));
        let heard = Rc::new(Notify::new());
        let (shared, has_heard) = (tls.clone(), heard.clone());
        let hear = move |bytes: &[u8]| {
            let outcome = take(&mut shared.borrow_mut(), bytes);
            has_heard.notify_one();
            outcome
        };
        let at_end = heard.clone();
        let connection = Connection::new(stream, hear, move || {
            at_end.notify_one();
            when_broken();
        })?;
        if may_be_refused {
            let verdict = Duration::from_millis(VERDICT_MS);
            timeout(verdict, heard.notified()).await.ok();
        }
        match connection.take_broken() {
            Some(error) => {
                connection.close().await;
                Err(asked.explain(error))
            }
            None => Ok(Self { connection, tls }),
        }
    }

    /// The connection below.
    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// As [`Connection::write`]; what is counted are bytes of lines, in whole records.
    pub(crate) async fn write(&self, bytes: &Bytes, stuck: Duration, ending: &Ending) -> Written {
        let (sealed, ends) = match self.seal(bytes) {
            Ok(sealed) => sealed,
            Err(error) => {
                return Written {
                    count: 0,
                    outcome: Err(error),
                };
            }
        };
        let written = self.connection.write(&sealed.into(), stuck, ending).await;
        let whole = ends.iter().take_while(|end| **end <= written.count).count();
        Written {
            count: bytes.len().min(whole * RECORD_BYTES),
            outcome: written.outcome,
        }
    }

    /// Ends TLS and the connection in order.
    pub(crate) async fn finish(self, stuck: Duration, ending: &Ending) {
        self.tls.borrow_mut().send_close_notify();
        let mut farewell = Vec::new();
        if drain(&mut self.tls.borrow_mut(), &mut farewell).is_ok() {
            // Who does not hear it learns of the end all the same.
            self.connection.write(&farewell.into(), stuck, ending).await;
        }
        self.connection.finish(ending).await;
    }

    /// Closes the connection now.
    pub(crate) async fn close(self) {
        self.connection.close().await;
    }

    /// Records, and where each one ends.
    fn seal(&self, bytes: &[u8]) -> io::Result<(Vec<u8>, Vec<usize>)> {
        let mut tls = self.tls.borrow_mut();
        let record_count = bytes.len().div_ceil(RECORD_BYTES);
        let mut sealed = Vec::with_capacity(bytes.len() + record_count * 64);
        let mut ends = Vec::with_capacity(record_count);
        // What TLS itself has to say, of keys that change, goes first and counts with the first.
        for content in bytes.chunks(RECORD_BYTES) {
            tls.writer().write_all(content)?;
            drain(&mut tls, &mut sealed)?;
            ends.push(sealed.len());
        }
        Ok((sealed, ends))
    }
}

fn drain(tls: &mut ClientConnection, sealed: &mut Vec<u8>) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(sealed)?;
    }
    Ok(())
}

/// What the peer says is TLS's own; a syslog receiver has nothing else to say, and if one has, we
/// forget it.
fn take(tls: &mut ClientConnection, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        tls.read_tls(&mut bytes)?;
        let state = tls.process_new_packets().map_err(io::Error::other)?;
        if state.plaintext_bytes_to_read() > 0 {
            io::copy(
                &mut io::Read::take(tls.reader(), state.plaintext_bytes_to_read() as u64),
                &mut io::sink(),
            )?;
        }
        if state.peer_has_closed() {
            return Err(closed());
        }
    }
    Ok(())
}
