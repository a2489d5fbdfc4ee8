//! Who reads, on a thread of its own, so that what is measured is not the queue of the load's tasks.

use super::batches::{Batches, now_ns};
use super::call::{QUERY, READ, call};
use super::series;
use crate::flow::error::FlowError;
use crate::flow::schedule::{histogram, nanos};
use bytes::Bytes;
use hdrhistogram::Histogram;
use hydrant_proto::logcache::ReadRequest;
use prost::Message as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};
use tonic::transport::Channel;

/// Of so many reads one is by range, and of so many one is a query.
const RANGE_PERIOD: u64 = 10;
const QUERY_PERIOD: u64 = 25;
const NEWEST: i64 = 100;
const RANGE: i64 = 1000;

/// How long answers took, in nanoseconds, from the call to the last byte.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    /// The newest hundred of a source.
    pub(super) newest: Histogram<u64>,
    /// A thousand of a source, the oldest of the time first.
    pub(super) range: Histogram<u64>,
    /// The rate of a hundred series over fifteen minutes.
    pub(super) query: Histogram<u64>,
    /// Answers without anything in them.
    pub(super) empty: u64,
}

/// Reads so often a second until it is told to stop; what it has until `is_watched` is forgotten.
///
/// # Errors
/// The node refuses a call.
pub(super) async fn ask(
    channel: &Channel,
    batches: &Batches,
    reads: u64,
    [is_watched, is_stopping]: [&AtomicBool; 2],
) -> Result<Answers, FlowError> {
    let mut answers = Answers::new();
    let mut ticks = interval(Duration::from_secs(1) / u32::try_from(reads).unwrap_or(1).max(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0_u64.. {
        ticks.tick().await;
        if is_stopping.load(Relaxed) {
            break;
        }
        let source = batches.source(usize::try_from(number * 7907).unwrap_or(0));
        let (path, request) = request(number, source);
        let begin = Instant::now();
        let answer = call(channel, path, request).await?;
        let took = nanos(begin.elapsed());
        if is_watched.load(Relaxed) {
            answers.of(number).saturating_record(took);
            answers.empty += u64::from(answer.len() < EMPTY_BYTES);
        }
    }
    Ok(answers)
}

/// An answer that holds an envelope is larger.
const EMPTY_BYTES: usize = 16;

fn request(number: u64, source_id: String) -> (&'static str, Bytes) {
    if is_query(number) {
        return (QUERY, series::query().into());
    }
    let newest = !is_range(number);
    let read = ReadRequest {
        source_id,
        end_time: now_ns().cast_signed(),
        limit: if newest { NEWEST } else { RANGE },
        descending: newest,
        ..Default::default()
    };
    (READ, read.encode_to_vec().into())
}

const fn is_query(number: u64) -> bool {
    number % QUERY_PERIOD == 3
}

const fn is_range(number: u64) -> bool {
    number % RANGE_PERIOD == 7
}

impl Answers {
    fn new() -> Self {
        Self {
            newest: histogram(),
            range: histogram(),
            query: histogram(),
            empty: 0,
        }
    }

    fn of(&mut self, number: u64) -> &mut Histogram<u64> {
        if is_query(number) {
            &mut self.query
        } else if is_range(number) {
            &mut self.range
        } else {
            &mut self.newest
        }
    }
}
