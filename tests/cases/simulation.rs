//! A shard in every kind of weather that a seed can make, against an oracle that knows what it must
//! count and publish, to one envelope and one byte.
//!
//! A seed that fails is named; `HYDRANT_SIM_SEED=<seed>` runs it alone.

use hydrant_engine::counters::{Counter, LaneCounter, Loss};
use hydrant_tests::random::Rng;
use hydrant_tests::sim::{Dials, Lie, Outcome, Run};
use std::collections::HashMap;

const SEEDS: std::ops::Range<u64> = 0..300;
const TURNS: usize = 60;

fn run(seed: u64) -> Result<Outcome, String> {
    let mut run = Run::new(seed);
    for turn in 0..TURNS {
        run.turn()
            .map_err(|problem| format!("turn {turn}: {problem}"))?;
    }
    run.finish().map_err(|problem| format!("end: {problem}"))
}

fn seeds() -> Vec<u64> {
    match std::env::var("HYDRANT_SIM_SEED") {
        Ok(seed) => vec![seed.parse().expect("HYDRANT_SIM_SEED is a number")],
        Err(_) => SEEDS.collect(),
    }
}

#[test]
fn the_ledger_balances_in_every_weather() {
    let mut seen = Seen::default();
    let seeds = seeds();
    for seed in &seeds {
        match run(*seed) {
            Ok(outcome) => seen.add(&outcome),
            Err(problem) => {
                panic!("seed {seed}: {problem}\nreplay with HYDRANT_SIM_SEED={seed}")
            }
        }
    }
    if seeds.len() > 1 {
        seen.check();
    }
}

/// What all runs together came to: weather in which something never happens proves nothing of it.
#[derive(Default)]
struct Seen(HashMap<&'static str, u64>);

impl Seen {
    fn add(&mut self, outcome: &Outcome) {
        let counters = &outcome.counters;
        for counter in Counter::ALL {
            *self.0.entry(counter.name()).or_default() += counters.get(*counter);
        }
        for loss in of_frames() {
            *self.0.entry(loss.name()).or_default() += counters.lost(*loss);
        }
        for counter in LaneCounter::ALL {
            *self.0.entry(counter.name()).or_default() += outcome.lane_count(*counter);
        }
    }

    fn check(&self) {
        let never: Vec<_> = self.0.iter().filter(|(_, count)| **count < 20).collect();
        assert!(never.is_empty(), "too rare to prove anything: {never:?}");
    }
}

/// Losses of frames; those of messages that hold several are not a shard's on io_uring.
fn of_frames() -> impl Iterator<Item = &'static Loss> {
    Loss::ALL
        .iter()
        .filter(|loss| !Loss::OF_MESSAGES.contains(loss))
}

#[test]
fn a_run_follows_from_its_seed() {
    let counts = |seed| {
        let outcome = run(seed).unwrap();
        let count = |counter: &Counter| outcome.counters.get(*counter);
        Counter::ALL.iter().map(count).collect::<Vec<_>>()
    };
    assert_eq!(counts(7), counts(7));
    assert_ne!(counts(7), counts(8));
}

/// The alarm: a run whose oracle is wrong in one point must fail.
#[test]
fn an_oracle_that_lies_is_noticed() {
    for lie in Lie::ALL {
        let mut random = Rng::with_seed(3);
        let dials = Dials::calm(&mut random);
        let mut run = Run::with_dials(random, dials);
        for turn in 0.. {
            assert!(turn < 1000, "never an opportunity for {lie:?}");
            run.turn().unwrap();
            if run.lie(lie) {
                break;
            }
        }
        let outcome = run.turn().and_then(|()| run.finish().map(|_| ()));
        assert!(outcome.is_err(), "{lie:?} passed");
    }
}
