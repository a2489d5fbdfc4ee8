//! What a shard must have counted and published, noted while it is being fed.

use super::ports::Port;
use super::traffic::{Fate, Traffic};
use crate::random::{Rng, chance};
use crate::wire;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::counters::{Counter, LaneCounter, Loss, ShardCounters};
use hydrant_engine::lanes::{LaneState, Place};
use hydrant_engine::record::{Header, Kind, KindSet, Record, source_hash};
use hydrant_engine::route::Demand;

/// What a lane's reader wants, in words that do not need the engine's to be judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    #[default]
    Nothing,
    /// Everything.
    All,
    /// These kinds of whatever source.
    Kinds(Vec<Kind>),
    /// These kinds of these sources.
    Sources(Vec<&'static str>, Vec<Kind>),
}

/// A deliberate error of the oracle's, to show that its alarm works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// One envelope more was received.
    Count,
    /// A frame was lost for another reason.
    Loss,
    /// An envelope had another byte.
    Byte,
    /// An envelope was about another source.
    Source,
    /// Two envelopes came the other way round.
    Order,
    /// An envelope was never sent.
    Invented,
    /// A lane did not want an envelope.
    Wish,
}

impl Lie {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Count,
        Self::Loss,
        Self::Byte,
        Self::Source,
        Self::Order,
        Self::Invented,
        Self::Wish,
    ];
}

/// The expected ledger, and every envelope that must have been published, in order.
#[derive(Debug)]
pub struct Oracle {
    counts: [u64; Counter::ALL.len()],
    losses: [u64; Loss::ALL.len()],
    kernel_dropped: u64,
    sent: Vec<Sent>,
    lanes: Vec<Lane>,
    fault: Option<String>,
}

#[derive(Clone, Debug)]
struct Sent {
    header: Header,
    envelope: Vec<u8>,
}

#[derive(Debug, Default)]
struct Lane {
    wish: Wish,
    /// Places in `sent` of what the lane wanted at the time.
    wanted: Vec<usize>,
    unwanted: u64,
    /// How many of `wanted` were read, or passed over because the lane was full.
    seen: usize,
    read: u64,
}

impl Oracle {
    pub(super) fn new(lane_count: usize) -> Self {
        Self {
            counts: [0; Counter::ALL.len()],
            losses: [0; Loss::ALL.len()],
            kernel_dropped: 0,
            sent: Vec::new(),
            lanes: (0..lane_count).map(|_| Lane::default()).collect(),
            fault: None,
        }
    }

    /// Says what a lane wants from the next turn on.
    pub fn set_wish(&mut self, lane: usize, wish: Wish) {
        self.lanes[lane].wish = wish;
    }

    pub(super) fn count(&mut self, counter: Counter, count: u64) {
        self.counts[counter as usize] += count;
    }

    pub(super) fn set_kernel_dropped(&mut self, count: u64) {
        self.kernel_dropped = count;
    }

    /// The shard did something at the kernel seam that it must not.
    pub(super) fn fault(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }

    /// A frame was handed over whole.
    pub(super) fn frame(&mut self, envelope: &[u8], fate: Fate, port: Port, now: UnixNanos) {
        match fate {
            Fate::Lost(loss) => self.lost(loss),
            Fate::Valid {
                kind,
                source_id,
                is_mapped,
            } => {
                self.count(Counter::Received, 1);
                self.count(Counter::Decoded, 1);
                let header = Header {
                    version: port.version,
                    kind,
                    source_rule: port.rule_of_record(),
                    source_hash: source_hash(source_id.as_bytes()),
                    received: now,
                };
                let mut envelope = envelope.to_vec();
                if is_mapped {
                    self.count(Counter::OriginMappings, 1);
                    wire::bytes_field(&mut envelope, 2, source_id.as_bytes());
                }
                self.publish(header, source_id, envelope);
            }
        }
    }

    pub(super) fn lost(&mut self, loss: Loss) {
        self.count(Counter::Received, 1);
        self.losses[loss as usize] += 1;
    }

    fn publish(&mut self, header: Header, source_id: &str, envelope: Vec<u8>) {
        for lane in &mut self.lanes {
            if lane.wish.wants(header.kind, source_id) {
                lane.wanted.push(self.sent.len());
            } else {
                lane.unwanted += 1;
            }
        }
        self.sent.push(Sent { header, envelope });
    }

    /// A lane's reader read this. What the lane wanted and was not read before it is lost.
    ///
    /// # Errors
    /// Says so if it is nothing that was to be read from now on.
    pub fn read(&mut self, lane: usize, place: Place, record: &Record<'_>) -> Result<(), String> {
        let Lane {
            wanted, seen, read, ..
        } = &mut self.lanes[lane];
        let is_it = |sent: &Sent| sent.header == record.header && sent.envelope == record.envelope;
        let found = wanted[*seen..].iter().position(|index| {
            (place.shard, place.sequence) == (0, *index as u64) && is_it(&self.sent[*index])
        });
        let Some(skipped) = found else {
            return Err(format!(
                "lane {lane}: record {read} at {place:?} was not sent there, not wanted or out of \
                 order: {record:02x?}"
            ));
        };
        *seen += skipped + 1;
        *read += 1;
        Ok(())
    }

    /// Compares with what was really counted. True at any moment of rest.
    ///
    /// # Errors
    /// Names the first difference.
    pub fn check(&self, counters: &ShardCounters, lanes: &[LaneState]) -> Result<(), String> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        for counter in Counter::ALL {
            let expected = self.counts[*counter as usize];
            equal(counter.name(), expected, counters.get(*counter))?;
        }
        for loss in Loss::ALL {
            let expected = self.losses[*loss as usize];
            equal(loss.name(), expected, counters.lost(*loss))?;
        }
        equal(
            "kernel_dropped",
            self.kernel_dropped,
            counters.kernel_dropped(),
        )?;
        check_ledger(counters)?;
        for (lane, state) in self.lanes.iter().zip(lanes) {
            lane.check(state, counters)?;
        }
        Ok(())
    }

    /// Compares once a lane's reader finds nothing more: after a turn nothing is held back.
    ///
    /// # Errors
    /// Names the first difference.
    pub fn check_read_up(&self, lane: usize, state: &LaneState) -> Result<(), String> {
        let published = state.counters.get(LaneCounter::Published);
        equal("records read", published, self.lanes[lane].read)?;
        let left = state.gauge.depth_bytes() as u64;
        equal("bytes left in the lane", 0, left)
    }

    /// Makes the oracle wrong in one point. False if there is nothing yet to be wrong about.
    pub fn lie(&mut self, lie: Lie) -> bool {
        match lie {
            Lie::Count => self.counts[Counter::Received as usize] += 1,
            Lie::Loss => return self.swap_loss(),
            _ => return self.lie_about_unread(lie),
        }
        true
    }

    fn swap_loss(&mut self) -> bool {
        let [wire, utf8] = [Loss::Wire, Loss::Utf8].map(|loss| loss as usize);
        if self.losses[wire] == 0 {
            return false;
        }
        self.losses[wire] -= 1;
        self.losses[utf8] += 1;
        true
    }

    /// The first lane's unread records: two at least are needed.
    fn lie_about_unread(&mut self, lie: Lie) -> bool {
        let Lane { wanted, seen, .. } = &mut self.lanes[0];
        let [first, second, ..] = wanted[*seen..] else {
            return false;
        };
        match lie {
            Lie::Byte => match self.sent[first].envelope.last_mut() {
                Some(byte) => *byte ^= 1,
                None => return false,
            },
            Lie::Source => self.sent[first].header.source_hash ^= 1,
            Lie::Order => self.sent.swap(first, second),
            Lie::Invented => {
                let mut invented = self.sent[first].clone();
                invented.envelope.push(0);
                wanted.push(self.sent.len());
                self.sent.push(invented);
            }
            _ => {
                wanted.remove(*seen);
                self.lanes[0].unwanted += 1;
            }
        }
        true
    }
}

impl Lane {
    fn check(&self, state: &LaneState, counters: &ShardCounters) -> Result<(), String> {
        let get = |counter| state.counters.get(counter);
        let (published, full) = (get(LaneCounter::Published), get(LaneCounter::Full));
        equal("unwanted", self.unwanted, get(LaneCounter::Unwanted))?;
        equal("wanted", self.wanted.len() as u64, published + full)?;
        equal(
            "published + unwanted + full",
            counters.get(Counter::Decoded),
            published + self.unwanted + full,
        )?;
        let skipped = self.seen as u64 - self.read;
        if skipped > full || self.read > published {
            return Err(format!(
                "{} read of {published}, {skipped} passed over of {full} lost",
                self.read
            ));
        }
        Ok(())
    }
}

impl Wish {
    /// A wish by chance, of sources that traffic knows.
    pub(super) fn random(random: &mut Rng) -> Self {
        let kinds = |random: &mut Rng| {
            let mut kinds = Kind::ALL.to_vec();
            kinds.retain(|_| chance(random, 40));
            kinds
        };
        match random.u32(0..5) {
            0 => Self::Nothing,
            1 => Self::All,
            2 => Self::Kinds(kinds(random)),
            _ => {
                let count = random.usize(1..20);
                let sources = (0..count).map(|_| Traffic::some_source(random)).collect();
                Self::Sources(sources, kinds(random))
            }
        }
    }

    /// The same in the engine's words.
    pub(super) fn demand(&self) -> Demand {
        match self {
            Self::Nothing => Demand::none(),
            Self::All => Demand::all(),
            Self::Kinds(kinds) => Demand::none().with_kinds(KindSet::of(kinds)),
            Self::Sources(sources, kinds) => {
                sources.iter().fold(Demand::none(), |demand, source| {
                    demand.with_source(source_hash(source.as_bytes()), KindSet::of(kinds))
                })
            }
        }
    }

    fn wants(&self, kind: Kind, source_id: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::Kinds(kinds) => kinds.contains(&kind),
            Self::Sources(sources, kinds) => sources.contains(&source_id) && kinds.contains(&kind),
        }
    }
}

fn check_ledger(counters: &ShardCounters) -> Result<(), String> {
    equal(
        "decoded + malformed",
        counters.get(Counter::Received),
        counters.get(Counter::Decoded) + counters.malformed(),
    )?;
    let turns = counters.turn_lengths().sum();
    equal("turns by length", counters.get(Counter::Turns), turns)
}

fn equal(what: &str, expected: u64, found: u64) -> Result<(), String> {
    if expected == found {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected}, found {found}"))
    }
}
