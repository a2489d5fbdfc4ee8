//! SIGUSR1: the state of every thread as text, as Loggregator dumps its goroutines.

use crate::ledger::Ledger;
use crate::state::ServerState;
use hydrant_engine::counters::{Counter, LaneCounter, Loss};
use hydrant_engine::engine::ShardState;
use std::fmt::{self, Display};

/// Shows a server's state, thread by thread, and its ledger.
#[derive(Debug)]
pub struct Dump<'s>(pub &'s ServerState);

impl Display for Dump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, shard) in self.0.shards.iter().enumerate() {
            shard_thread(f, index, shard, self.0)?;
        }
        for worker in &self.0.frontends {
            writeln!(f, "thread {}: {}", worker.name(), core(worker.core))?;
            for session in worker.sessions() {
                let waiting = session.counters.waiting();
                let (name, peer, note) = (&session.name, &session.peer, session.note());
                writeln!(f, "  session {name} {peer}: {note}; waiting {waiting}")?;
            }
        }
        writeln!(f, "{}", Ledger::of(self.0))
    }
}

fn core(core: Option<usize>) -> String {
    core.map_or_else(|| "not pinned".to_owned(), |core| format!("core {core}"))
}

fn shard_thread(
    f: &mut fmt::Formatter<'_>,
    index: usize,
    shard: &ShardState,
    state: &ServerState,
) -> fmt::Result {
    let life = if shard.is_running() {
        "running"
    } else {
        "stopped"
    };
    writeln!(f, "thread shard-{index}: {}, {life}", core(shard.core))?;
    for counter in Counter::ALL {
        writeln!(f, "  {} {}", counter.name(), shard.counters.get(*counter))?;
    }
    for loss in Loss::ALL
        .iter()
        .filter(|loss| shard.counters.lost(**loss) > 0)
    {
        writeln!(f, "  lost: {} {}", loss.name(), shard.counters.lost(*loss))?;
    }
    for (lane, worker) in shard.lanes.iter().zip(&state.frontends) {
        let (depth, size) = (lane.gauge.depth_bytes(), lane.gauge.ring_bytes());
        write!(f, "  lane to {}: {depth} of {size} bytes", worker.name())?;
        for counter in LaneCounter::ALL {
            write!(f, ", {} {}", counter.name(), lane.counters.get(*counter))?;
        }
        writeln!(f)?;
    }
    Ok(())
}
