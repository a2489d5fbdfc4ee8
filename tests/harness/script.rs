//! A kernel that plays events from a script, without taking memory, and one that writes such a
//! script while another kernel works.

use hydrant_engine::clock::UnixNanos;
use hydrant_engine::kernel::{Event, Kernel, Verdict};
use std::io;
use std::time::Duration;

/// An event that owns its bytes.
#[derive(Clone, Debug)]
pub struct Line {
    event: Event<'static>,
    bytes: Box<[u8]>,
}

impl Line {
    /// A copy of an event.
    pub fn new(event: Event<'_>) -> Self {
        let bytes = match event {
            Event::Datagrams { bytes, .. } | Event::Chunk { bytes, .. } => bytes,
            _ => &[],
        };
        Self {
            bytes: bytes.into(),
            event: with_bytes(event, &[]),
        }
    }

    /// The event again.
    pub fn event(&self) -> Event<'_> {
        with_bytes(self.event, &self.bytes)
    }
}

fn with_bytes<'b>(event: Event<'_>, bytes: &'b [u8]) -> Event<'b> {
    match event {
        Event::Datagrams {
            listener,
            segment_bytes,
            truncated,
            ..
        } => Event::Datagrams {
            listener,
            bytes,
            segment_bytes,
            truncated,
        },
        Event::Chunk { connection, .. } => Event::Chunk { connection, bytes },
        Event::Opened {
            connection,
            listener,
        } => Event::Opened {
            connection,
            listener,
        },
        Event::Closed { connection, end } => Event::Closed { connection, end },
        Event::CqOverflow(count) => Event::CqOverflow(count),
        Event::Refused => Event::Refused,
        Event::NoBuffers => Event::NoBuffers,
        Event::Failed => Event::Failed,
        Event::Woken => Event::Woken,
    }
}

/// Plays lines, as many a turn as the shard takes, once or again and again.
#[derive(Debug, Default)]
pub struct Script {
    lines: Vec<Line>,
    at: usize,
    is_endless: bool,
    clock: UnixNanos,
}

impl Script {
    /// Plays the lines once.
    pub fn once(lines: Vec<Line>) -> Self {
        Self {
            lines,
            ..Self::default()
        }
    }

    /// Starts over at the end. Connections that are open then begin anew without having ended.
    pub fn endless(lines: Vec<Line>) -> Self {
        Self {
            is_endless: true,
            ..Self::once(lines)
        }
    }

    fn next(&mut self) -> Option<&Line> {
        if self.is_endless && self.at == self.lines.len() {
            self.at = 0;
        }
        let line = self.lines.get(self.at);
        self.at += usize::from(line.is_some());
        line
    }
}

impl Kernel for Script {
    fn now(&mut self) -> UnixNanos {
        self.clock.0 += 1000;
        self.clock
    }

    fn wait(&mut self, _timeout: Duration) -> io::Result<()> {
        Ok(())
    }

    fn reap(&mut self, max: usize, handler: &mut impl FnMut(Event<'_>) -> Verdict) -> usize {
        let mut count = 0;
        while count < max
            && let Some(line) = self.next()
        {
            match handler(line.event()) {
                // A script knows what comes next, whatever the verdict.
                Verdict::Keep | Verdict::Close => count += 1,
            }
        }
        count
    }

    fn dropped(&mut self, _ask: bool) -> u64 {
        0
    }

    fn stop_accepting(&mut self) {
        self.is_endless = false;
        self.at = self.lines.len();
    }
}

/// Passes everything on to another kernel and writes down what it says.
#[derive(Debug)]
pub struct Recorder<K> {
    kernel: K,
    lines: Vec<Line>,
}

impl<K> Recorder<K> {
    /// Nothing written yet.
    pub fn new(kernel: K) -> Self {
        Self {
            kernel,
            lines: Vec::new(),
        }
    }

    /// What was written since the last time.
    pub fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }
}

impl<K: Kernel> Kernel for Recorder<K> {
    fn now(&mut self) -> UnixNanos {
        self.kernel.now()
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        self.kernel.wait(timeout)
    }

    fn reap(&mut self, max: usize, handler: &mut impl FnMut(Event<'_>) -> Verdict) -> usize {
        let Self { kernel, lines } = self;
        kernel.reap(max, &mut |event| {
            lines.push(Line::new(event));
            handler(event)
        })
    }

    fn dropped(&mut self, ask: bool) -> u64 {
        self.kernel.dropped(ask)
    }

    fn stop_accepting(&mut self) {
        self.kernel.stop_accepting();
    }
}
