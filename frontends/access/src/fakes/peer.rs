//! An HTTP server that answers one request a connection, each on a thread of its own.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How a peer treats those who ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// It answers at once.
    #[default]
    Prompt,
    /// It answers after this time.
    Slow(Duration),
    /// It reads the question and never answers.
    Silent,
    /// It ends connections without reading what was asked.
    Down,
}

/// What a peer says to a request: the end of a status line, such as `200 OK`, and a body. Nothing:
/// it never answers.
type Answer = dyn Fn(&str) -> Option<(&'static str, String)> + Send + Sync;

/// Takes requests, until the test is over.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    manner: Mutex<Manner>,
    requests: Mutex<Vec<String>>,
    asked: AtomicUsize,
    open: AtomicUsize,
    open_max: AtomicUsize,
}

impl Peer {
    /// A peer that answers `answer(head and body)`.
    ///
    /// # Panics
    /// If there is no port to be had on loopback.
    pub fn new(
        answer: impl Fn(&str) -> Option<(&'static str, String)> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::<Shared>::default();
        let theirs = shared.clone();
        let answer: Arc<Answer> = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, answer) = (theirs.clone(), answer.clone());
                thread::spawn(move || shared.serve(stream, &*answer));
            }
        });
        Self { address, shared }
    }

    /// A peer that always says the same.
    pub fn saying(status: &'static str, body: &str) -> Self {
        let body = body.to_owned();
        Self::new(move |_| Some((status, body.clone())))
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it treats those who ask like this.
    pub fn set_manner(&self, manner: Manner) {
        *self.shared.lock(&self.shared.manner) = manner;
    }

    /// What has been asked since this was called last: heads and bodies.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock(&self.shared.requests))
    }

    /// Requests that have come so far.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// The most requests that were open at a time.
    pub fn open_max(&self) -> usize {
        self.shared.open_max.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn lock<'s, T>(&self, what: &'s Mutex<T>) -> std::sync::MutexGuard<'s, T> {
        what.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: TcpStream, answer: &Answer) {
        let manner = *self.lock(&self.manner);
        if manner == Manner::Down {
            stream.shutdown(Shutdown::Both).ok();
            return;
        }
        let Some(request) = read(&mut stream) else {
            return;
        };
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.open_max.fetch_max(open, Ordering::SeqCst);
        let said = answer(&request);
        self.lock(&self.requests).push(request);
        self.asked.fetch_add(1, Ordering::SeqCst);
        if let Manner::Slow(delay) = manner {
            thread::sleep(delay);
        }
        match said {
            Some(said) if manner != Manner::Silent => {
                // Before the answer, which may make room for the next.
                self.open.fetch_sub(1, Ordering::SeqCst);
                write(&mut stream, said);
            }
            _ => {
                // Until who asked gives up.
                stream.read_to_end(&mut Vec::new()).ok();
                self.open.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }
}

/// Head and body; nothing if the request is cut off.
fn read(stream: &mut impl Read) -> Option<String> {
    let mut request = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1);
            let length = length.and_then(|rest| rest.lines().next());
            if body.len() >= length.map_or(0, |length| length.parse().unwrap_or(0)) {
                return String::from_utf8(request).ok();
            }
        }
        let count = stream.read(&mut bytes).ok().filter(|count| *count > 0)?;
        request.extend(&bytes[..count]);
    }
}

fn write(stream: &mut impl Write, (status, body): (&str, String)) {
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).ok();
}
