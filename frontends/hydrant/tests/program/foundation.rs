//! A Cloud Foundry on loopback, as far as a client of its logs sees it: what it answers is the
//! test's to say. Written against the specifications and not with the libraries of the client.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hydrant_rpc::tls::TlsFiles;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The method and what is asked for, as in `GET /path?query`.
    pub(crate) what: String,
    /// The header `Authorization`.
    pub(crate) token: Option<String>,
    pub(crate) body: String,
    key: Option<String>,
}

/// What becomes of a request.
pub(crate) enum Reply {
    /// Status, header lines, body.
    Http(u16, String, Vec<u8>),
    /// A WebSocket, on which this happens.
    Stream(Vec<Frame>),
}

/// What a WebSocket's server does.
pub(crate) enum Frame {
    Binary(Vec<u8>),
    /// Sends a ping and waits for its pong.
    Ping,
    Close(u16, &'static str),
    /// Does nothing more until the client goes.
    Hold,
}

/// The server. Its threads end with the test's process.
pub(crate) struct Foundation {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

type Answer = dyn Fn(&Asked, usize) -> Reply + Send + Sync;

impl Reply {
    pub(crate) fn json(text: impl Into<String>) -> Self {
        let head = "Content-Type: application/json\r\n".to_owned();
        Self::Http(200, head, text.into().into_bytes())
    }

    pub(crate) fn status(status: u16, body: &str) -> Self {
        Self::Http(status, String::new(), body.into())
    }
}

impl Foundation {
    /// Answers by `answer`, which also gets the number of requests before this one for the same.
    pub(crate) fn start(answer: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(None, Arc::new(answer))
    }

    /// The same over TLS.
    pub(crate) fn start_tls(
        files: &TlsFiles,
        answer: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let certificates = CertificateDer::pem_file_iter(&files.cert_file).unwrap();
        let key = PrivateKeyDer::from_pem_file(&files.key_file).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates.map(Result::unwrap).collect(), key)
            .unwrap();
        Self::listen(Some(Arc::new(config)), Arc::new(answer))
    }

    fn listen(tls: Option<Arc<ServerConfig>>, answer: Arc<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let seen = asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (tls, answer, seen) = (tls.clone(), answer.clone(), seen.clone());
                thread::spawn(move || match tls {
                    None => serve(stream, &*answer, &seen),
                    Some(config) => {
                        let connection = ServerConnection::new(config).unwrap();
                        serve(StreamOwned::new(connection, stream), &*answer, &seen)
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// One request, and what becomes of it; nothing if the client goes away meanwhile.
fn serve(mut io: impl Read + Write, answer: &Answer, seen: &Mutex<Vec<Asked>>) -> Option<()> {
    let asked = read_request(&mut io)?;
    let before = {
        let mut seen = seen.lock().unwrap();
        seen.push(asked.clone());
        seen.iter().filter(|other| other.what == asked.what).count() - 1
    };
    match answer(&asked, before) {
        Reply::Http(status, head, body) => {
            let length = body.len();
            let head = format!("HTTP/1.1 {status} X\r\n{head}Content-Length: {length}\r\n\r\n");
            io.write_all(&[head.as_bytes(), &body].concat()).ok()?;
            io.flush().ok()
        }
        Reply::Stream(frames) => {
            let accept = accept_of(&asked.key?);
            let head = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            io.write_all(head.as_bytes()).ok()?;
            frames.into_iter().try_for_each(|frame| act(&mut io, frame))
        }
    }
}

fn read_request(io: &mut impl Read) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(byte(io)?);
    }
    let head = String::from_utf8(head).unwrap();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned())
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    io.read_exact(&mut body).ok()?;
    Some(Asked {
        what: head.split(" HTTP/1.1").next().unwrap().to_owned(),
        token: header("authorization"),
        body: String::from_utf8(body).unwrap(),
        key: header("sec-websocket-key"),
    })
}

fn act(io: &mut (impl Read + Write), frame: Frame) -> Option<()> {
    match frame {
        Frame::Binary(payload) => write(io, 0x82, &payload),
        Frame::Ping => {
            write(io, 0x89, b"hello")?;
            while byte(io)? != 0x8a {}
            Some(())
        }
        Frame::Close(code, reason) => {
            write(io, 0x88, &[&code.to_be_bytes(), reason.as_bytes()].concat())
        }
        Frame::Hold => {
            while byte(io).is_some() {}
            None
        }
    }
}

/// A frame without a mask, as servers send (RFC 6455, section 5.2).
fn write(io: &mut impl Write, first: u8, payload: &[u8]) -> Option<()> {
    let length = u16::try_from(payload.len()).unwrap();
    let mut frame = vec![first];
    match u8::try_from(length) {
        Ok(length) if length < 126 => frame.push(length),
        _ => frame.extend([[126].as_slice(), &length.to_be_bytes()].concat()),
    }
    frame.extend(payload);
    io.write_all(&frame).ok()?;
    io.flush().ok()
}

fn byte(io: &mut impl Read) -> Option<u8> {
    let mut byte = [0];
    io.read_exact(&mut byte).ok()?;
    Some(byte[0])
}

fn accept_of(key: &str) -> String {
    let mut hash = sha1_smol::Sha1::from(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64_STANDARD.encode(hash.digest().bytes())
}
