//! The senders: streams of ready batches, as fast as they are taken or at the beat of a schedule.
//!
//! All of it runs on the one thread of a runtime. That tonic wants to be able to send streams to
//! other threads is why there are atomics.

use super::batches::ReadyBatches;
use super::error::FlowError;
use super::schedule::{Schedule, histogram};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::task::AtomicWaker;
use hdrhistogram::Histogram;
use hydrant_rpc::ingress::IngressClient;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;
use tokio::task::yield_now;
use tokio::time::sleep;
use tonic::Code;
use tonic::transport::Channel;

/// Turns of everybody else after each batch, if there is no schedule: readers, who share the thread,
/// would not keep up with what they are sent.
const RESTS: u32 = 3;
/// Tokio's timers are no better than this.
const TIMER: Duration = Duration::from_millis(2);
/// What the kernel adds to a thread's sleep.
const SLACK: Duration = Duration::from_micros(50);

/// What all senders share.
#[derive(Debug)]
pub struct Load {
    batches: ReadyBatches,
    schedule: Schedule,
    /// How late batches were sent, if envelopes carry the time at which they were due.
    lateness: Option<Mutex<Lateness>>,
    /// How often each batch was sent.
    sent: Vec<AtomicU64>,
    streams: Vec<Beat>,
    is_stopping: AtomicBool,
}

/// How long after they were due batches were given to HTTP/2, in nanoseconds.
#[derive(Debug)]
struct Lateness {
    all: Histogram<u64>,
    from_ns: u64,
}

/// What a stream waits for.
#[derive(Debug, Default)]
struct Beat {
    due_ns: AtomicU64,
    task: AtomicWaker,
}

impl Load {
    /// Nothing is sent so far; the clock runs. With `timed_from_ns`, each envelope's timestamp is
    /// when it was due, in the schedule's nanoseconds, and how late batches were that were due from
    /// then on is taken down.
    pub fn new(
        batches: ReadyBatches,
        streams: usize,
        rate: Option<u64>,
        timed_from_ns: Option<u64>,
    ) -> Arc<Self> {
        let lateness = timed_from_ns.map(|from_ns| {
            let all = histogram();
            Mutex::new(Lateness { all, from_ns })
        });
        Arc::new(Self {
            schedule: Schedule::new(batches.size(), streams, rate),
            lateness,
            sent: (0..batches.count()).map(|_| AtomicU64::new(0)).collect(),
            streams: (0..streams).map(|_| Beat::default()).collect(),
            is_stopping: AtomicBool::new(false),
            batches,
        })
    }

    /// When batches are due.
    pub const fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Envelopes that HTTP/2 has taken.
    pub fn sent(&self) -> u64 {
        let batches: u64 = self.sent.iter().map(|count| count.load(Relaxed)).sum();
        batches * self.batches.size() as u64
    }

    /// Envelopes of each app among them.
    pub fn sent_by_app(&self) -> Vec<u64> {
        let mut by_app = vec![0; self.batches.apps()];
        for (index, count) in self.sent.iter().enumerate() {
            let count = count.load(Relaxed);
            for app in self.batches.apps_of(index) {
                by_app[app] += count;
            }
        }
        by_app
    }

    /// How late batches were, if it was taken down.
    pub fn lateness(&self) -> Option<Histogram<u64>> {
        let lateness = self.lateness.as_ref()?.lock();
        Some(lateness.unwrap_or_else(PoisonError::into_inner).all.clone())
    }

    /// Ends all streams.
    pub fn stop(&self) {
        self.is_stopping.store(true, Relaxed);
        self.streams.iter().for_each(|beat| beat.task.wake());
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Relaxed)
    }

    fn take(&self, index: usize, due_ns: u64) -> Bytes {
        self.sent[index].fetch_add(1, Relaxed);
        let Some(lateness) = &self.lateness else {
            return self.batches.get(index);
        };
        let mut lateness = lateness.lock().unwrap_or_else(PoisonError::into_inner);
        if due_ns >= lateness.from_ns {
            let late_ns = self.schedule.now_ns().saturating_sub(due_ns);
            lateness.all.saturating_record(late_ns);
        }
        self.batches.stamped(index, due_ns)
    }

    /// Wakes the streams whose time has come. Returns when the first of all was or will be due: who
    /// is due has not sent so far.
    fn wake_due(&self, now_ns: u64) -> u64 {
        let mut first_ns = u64::MAX;
        for beat in &self.streams {
            let due_ns = beat.due_ns.load(Relaxed);
            if due_ns <= now_ns {
                beat.task.wake();
            }
            first_ns = first_ns.min(due_ns);
        }
        first_ns
    }
}

/// Keeps the beat: sleeps as far as timers are good enough, with the runtime's other tasks taking their
/// turns in between. For the rest it spins where times are taken down, and otherwise has the thread sleep:
/// two cores are often two threads of one, and a thread that spins takes from the other one.
pub async fn keep_beat(load: Arc<Load>) {
    if load.schedule.is_unpaced() {
        return;
    }
    while !load.is_stopping() {
        let now_ns = load.schedule.now_ns();
        let rest = Duration::from_nanos(load.wake_due(now_ns).saturating_sub(now_ns));
        if rest > TIMER {
            sleep(rest.min(Duration::from_millis(100)) - TIMER).await;
        } else {
            if load.lateness.is_none() && rest > SLACK {
                thread::sleep(rest - SLACK);
            }
            yield_now().await;
        }
    }
}

/// Sends over one stream until the load is stopped, and waits until the server has read it all.
///
/// # Errors
/// The stream ended otherwise.
pub async fn send(channel: Channel, load: Arc<Load>, stream: usize) -> Result<(), FlowError> {
    let batches = Batches::new(load, stream);
    match IngressClient::new(channel).batch_sender(batches).await {
        Ok(_) => Ok(()),
        // What the Doppler answers to the end of a stream.
        Err(end) if end.code() == Code::Unknown && end.message() == "EOF" => Ok(()),
        Err(status) => Err(FlowError::Stream("a sender's stream", Box::new(status))),
    }
}

/// A stream's batches. Each stream begins at another place of the ring.
#[derive(Debug)]
struct Batches {
    load: Arc<Load>,
    stream: usize,
    number: u64,
    index: usize,
    /// Turns that others had since the last batch.
    rests: u32,
}

impl Batches {
    fn new(load: Arc<Load>, stream: usize) -> Self {
        let index = stream * load.sent.len() / load.streams.len();
        let batches = Self {
            load,
            stream,
            number: 0,
            index,
            rests: 0,
        };
        batches.beat().due_ns.store(batches.due_ns(), Relaxed);
        batches
    }

    fn beat(&self) -> &Beat {
        &self.load.streams[self.stream]
    }

    fn due_ns(&self) -> u64 {
        self.load.schedule.due_ns(self.stream, self.number)
    }

    fn take(&mut self) -> Bytes {
        let batch = self.load.take(self.index, self.due_ns());
        self.index = (self.index + 1) % self.load.sent.len();
        self.number += 1;
        self.beat().due_ns.store(self.due_ns(), Relaxed);
        self.rests = 0;
        batch
    }
}

impl Stream for Batches {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.load.is_stopping() {
            return Poll::Ready(None);
        }
        let schedule = &self.load.schedule;
        if !schedule.is_unpaced() && schedule.now_ns() < self.due_ns() {
            self.beat().task.register(context.waker());
            return Poll::Pending;
        }
        if schedule.is_unpaced() && self.rests < RESTS {
            self.rests += 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(self.take()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;
    use futures_util::task::noop_waker;

    fn load(streams: usize, rate: Option<u64>) -> Arc<Load> {
        let batches = ReadyBatches::new(100, 250, 1100).unwrap();
        Load::new(batches, streams, rate, None)
    }

    #[test]
    fn what_is_sent_is_known_for_each_app() {
        let load = load(2, None);
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let mut streams = [Batches::new(load.clone(), 0), Batches::new(load.clone(), 1)];
            for _ in 0..3 {
                for stream in &mut streams {
                    stream.next().await.unwrap();
                }
            }
            load.stop();
            assert_eq!(streams[0].next().await, None);
        });
        assert_eq!(load.sent(), 600);
        // Eleven batches: the streams have sent 0, 1, 2 and 5, 6, 7.
        assert_eq!(
            [0, 299, 300, 500, 799, 800].map(|app| load.sent_by_app()[app]),
            [1, 1, 0, 1, 1, 0]
        );
        assert_eq!(load.sent_by_app().iter().sum::<u64>(), 600);
    }

    #[test]
    fn a_batch_that_is_not_due_waits_for_its_beat() {
        let load = load(1, Some(100));
        let mut stream = Batches::new(load.clone(), 0);
        let waker = noop_waker();
        let mut context = Context::from_waker(&waker);
        let mut poll = || Pin::new(&mut stream).poll_next(&mut context);
        assert!(matches!(poll(), Poll::Ready(Some(_))));
        assert!(poll().is_pending());
        assert_eq!(load.wake_due(0), 1_000_000_000);
        // Nobody sleeps while one is due.
        assert_eq!(load.wake_due(1_500_000_000), 1_000_000_000);
    }
}
