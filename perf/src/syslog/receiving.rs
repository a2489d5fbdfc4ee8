//! The drains: one port for all healthy ones, whose connections tell by their first line which they
//! are, one that nobody listens at, and one at which the kernel alone answers.

use super::lines::{Lines, Malformed, Sources};
use crate::flow::drains::{Drains, Health};
use crate::flow::error::{FlowError, machine};
use crate::flow::measured::{Count, Place};
use crate::flow::reading::Buffer;
use nix::sys::socket::sockopt::{RcvBuf, TcpMaxSeg};
use nix::sys::socket::{Backlog, listen, setsockopt};
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener as Listener, TcpStream as Stream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

/// So little may wait in the kernel for a black hole that it is soon full.
const BLACK_HOLE_BYTES: usize = 4096;
/// And a peer's kernel keeps less for one whose segments are small.
const BLACK_HOLE_SEGMENT_BYTES: u32 = 536;
/// What lies in a black hole comes at once, when it is read.
const FOUND_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the server's drains are.
#[derive(Debug)]
pub struct Receivers {
    drains: Drains,
    healthy: Listener,
    /// Bound, so that nobody else is there.
    _dead: TcpSocket,
    black_hole: Listener,
    accepting: Mutex<Option<AbortHandle>>,
    failure: Failure,
}

/// The first error of a connection of which nobody knows whose it is.
type Failure = Arc<Mutex<Option<FlowError>>>;

/// A drain that is read from: its connections, one after the other.
#[derive(Debug)]
pub struct Reader {
    incoming: UnboundedReceiver<Connection>,
    buffer: Buffer,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// What came with the first line is counted in it.
    lines: Lines,
}

/// To whom connections go.
#[derive(Debug)]
struct Outlets {
    /// By app; or one for all.
    readers: Vec<Option<UnboundedSender<Connection>>>,
    sources: Sources,
    buffer: Buffer,
    failure: Failure,
}

impl Receivers {
    /// Binds. Apps and the unhealthy among them are as in [`Drains`].
    ///
    /// # Errors
    /// A port cannot be had.
    pub fn new(apps: usize, unhealthy: usize) -> Result<Self, FlowError> {
        Self::bind(apps, unhealthy).map_err(machine("the drains' ports"))
    }

    fn bind(apps: usize, unhealthy: usize) -> io::Result<Self> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let healthy = Listener::bind(any)?;
        let dead = TcpSocket::new_v4()?;
        dead.bind(any)?;
        let black_hole = Listener::bind(any)?;
        setsockopt(&black_hole, RcvBuf, &BLACK_HOLE_BYTES)?;
        setsockopt(&black_hole, TcpMaxSeg, &BLACK_HOLE_SEGMENT_BYTES)?;
        for listener in [&healthy, &black_hole] {
            // Thousands of drains connect at once, and a refused one would try again much later.
            listen(listener, Backlog::MAXCONN)?;
        }
        healthy.set_nonblocking(true)?;
        black_hole.set_nonblocking(true)?;
        let drains = Drains {
            addresses: [
                healthy.local_addr()?,
                dead.local_addr()?,
                black_hole.local_addr()?,
            ],
            apps,
            unhealthy,
        };
        Ok(Self {
            drains,
            healthy,
            _dead: dead,
            black_hole,
            accepting: Mutex::default(),
            failure: Failure::default(),
        })
    }

    /// Begins to let connections in. Gives the reader of each healthy app in their order, or the
    /// one of all.
    ///
    /// # Errors
    /// The port cannot be used.
    pub fn accept(&self) -> Result<Vec<Reader>, FlowError> {
        let buffer = Buffer::default();
        let mut readers = Vec::new();
        let mut outlet = |is_read: bool| {
            is_read.then(|| {
                let (sender, incoming) = unbounded_channel();
                let buffer = buffer.clone();
                readers.push(Reader { incoming, buffer });
                sender
            })
        };
        let (outlets, sources) = match self.drains.apps {
            0 => (vec![outlet(true)], Sources::All),
            apps => {
                let is_read = |app| self.drains.health(app) == Health::Healthy;
                let outlets = (0..apps).map(|app| outlet(is_read(app)));
                (outlets.collect(), Sources::One(None))
            }
        };
        let outlets = Arc::new(Outlets {
            readers: outlets,
            sources,
            buffer: buffer.clone(),
            failure: Arc::clone(&self.failure),
        });
        let listener = self.healthy.try_clone().and_then(TcpListener::from_std);
        let listener = listener.map_err(machine("the drains' port"))?;
        let accepting = tokio::spawn(accept(listener, outlets)).abort_handle();
        *self
            .accepting
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(accepting);
        Ok(readers)
    }

    fn check(&self) -> Result<(), FlowError> {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.take().map_or(Ok(()), Err)
    }

    fn lines_in_black_holes(&self) -> io::Result<u64> {
        let mut count = 0;
        loop {
            match self.black_hole.accept() {
                Ok((stream, _)) => count += lines_left(stream).map_err(io::Error::other)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(count),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Place for Receivers {
    fn drains(&self) -> Option<Drains> {
        Some(self.drains)
    }

    fn close(&self) -> Result<(), FlowError> {
        let mut accepting = self
            .accepting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(accepting) = accepting.take() {
            accepting.abort();
        }
        self.check()
    }

    fn found(&self) -> Result<u64, FlowError> {
        self.check()?;
        self.lines_in_black_holes().map_err(machine("a black hole"))
    }
}

impl Reader {
    /// Counts lines until there are no more connections.
    ///
    /// # Errors
    /// What comes is not what was sent, or a connection ends within a line.
    pub async fn count(mut self, received: Count) -> Result<(), FlowError> {
        while let Some(Connection {
            mut stream,
            mut lines,
        }) = self.incoming.recv().await
        {
            received.add(lines.count());
            while let Some(count) = read(&self.buffer, &mut stream, &mut lines).await? {
                received.add(count);
            }
        }
        Ok(())
    }
}

/// Whole lines, until the server wants nothing more to be known of it.
async fn accept(listener: TcpListener, outlets: Arc<Outlets>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(begin(stream, Arc::clone(&outlets)));
            }
            Err(error) => return outlets.fail(machine("accepting a drain's connection")(error)),
        }
    }
}

/// Reads until it is known whose connection it is, and lets its reader have it.
async fn begin(mut stream: TcpStream, outlets: Arc<Outlets>) {
    let mut lines = Lines::new(outlets.sources);
    while lines.count() == 0 {
        match read(&outlets.buffer, &mut stream, &mut lines).await {
            Ok(Some(_)) => {}
            Ok(None) => return, // It has ended without a line.
            Err(error) => return outlets.fail(error),
        }
    }
    let app = lines.app().unwrap_or(0);
    let connection = Connection { stream, lines };
    match outlets.readers.get(app) {
        // A reader that is gone has failed, and says so itself.
        Some(Some(reader)) => reader.send(connection).unwrap_or_default(),
        _ => outlets.fail(FlowError::Syslog(format!(
            "lines of app {app}, whose drain is elsewhere"
        ))),
    }
}

impl Outlets {
    fn fail(&self, error: FlowError) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
    }
}

/// Lines that end in what is read; nothing at the connection's end.
async fn read(
    buffer: &Buffer,
    stream: &mut TcpStream,
    lines: &mut Lines,
) -> Result<Option<u64>, FlowError> {
    let take = |piece: &[u8]| match piece {
        [] if lines.is_whole() => Ok(None),
        [] => Err(FlowError::Syslog("ended within a line".to_owned())),
        piece => lines
            .take(piece)
            .map(Some)
            .map_err(|error| malformed(&error)),
    };
    let read = buffer.read(stream, take).await;
    read.map_err(machine("reading from a drain's connection"))?
}

/// Whole lines on a connection whose peer is gone; what comes after them was never counted.
fn lines_left(mut stream: Stream) -> Result<u64, FlowError> {
    let mut lines = Lines::new(Sources::One(None));
    let mut bytes = [0; 16 * 1024];
    let say = machine("reading from a black hole");
    stream.set_nonblocking(false).map_err(&say)?;
    stream.set_read_timeout(Some(FOUND_TIMEOUT)).map_err(&say)?;
    loop {
        match stream.read(&mut bytes).map_err(&say)? {
            0 => return Ok(lines.count()),
            count => lines
                .take(&bytes[..count])
                .map_err(|error| malformed(&error))?,
        };
    }
}

fn malformed(error: &Malformed) -> FlowError {
    FlowError::Syslog(error.to_string())
}

#[cfg(test)]
mod tests;
