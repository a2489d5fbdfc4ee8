//! The store against a naive one that forgets nothing by itself, under random use.

use super::*;
use hydrant_engine::record::source_hash;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

const IDLE: u64 = 3_600 * SECOND;

#[derive(Clone, Copy, Debug)]
enum Step {
    Log {
        app: u8,
        is_v1: bool,
        bytes: usize,
    },
    Metric {
        app: u8,
        instance: i32,
        age_seconds: u64,
    },
    Wait {
        millis: u64,
    },
    Read {
        app: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let app = 0..20_u8;
    let bytes = prop_oneof![4 => 1..400_usize, 1 => 400..9_000_usize];
    prop_oneof![
        8 => (app.clone(), any::<bool>(), bytes)
            .prop_map(|(app, is_v1, bytes)| Step::Log { app, is_v1, bytes }),
        3 => (app.clone(), 0..6_i32, 0..150_u64).prop_map(|(app, instance, age_seconds)| {
            Step::Metric { app, instance, age_seconds }
        }),
        2 => prop_oneof![4 => 0..1_500_u64, 2 => 0..100_000_u64, 1 => 0..2_000_000_u64].prop_map(|millis| Step::Wait { millis }),
        2 => app.prop_map(|app| Step::Read { app }),
    ]
}

/// An app's container metrics as the model has them: all since it was last forgotten.
#[derive(Default)]
struct Known {
    name: String,
    heard: u64,
    metrics: Vec<(i32, u64)>,
}

/// An app's logs: all since it was last idle.
#[derive(Default)]
struct KnownLogs {
    heard: u64,
    texts: Vec<String>,
}

/// Apps with container metrics, the quietest first; and all logs.
#[derive(Default)]
struct Model(VecDeque<Known>, BTreeMap<String, KnownLogs>);

impl Model {
    fn known(&mut self, name: &str, now: UnixNanos) -> &mut Known {
        let found = self.0.iter().position(|known| known.name == name);
        let place = match found {
            Some(place) if now.0 - self.0[place].heard < SECOND => place,
            found => {
                let mut known = found
                    .and_then(|place| self.0.remove(place))
                    .unwrap_or_default();
                known.name = name.to_owned();
                known.heard = now.0;
                self.0.push_back(known);
                self.0.len() - 1
            }
        };
        &mut self.0[place]
    }

    fn forget_idle(&mut self, now: UnixNanos) {
        let is_idle = |known: &mut Known| known.heard + IDLE <= now.0;
        while self.0.pop_front_if(is_idle).is_some() {}
    }

    /// Forgets as many apps as the store has, from the quietest on, but not this one.
    fn shrink(&mut self, count: usize, kept: &str) -> usize {
        let held = self.0.len();
        while self.0.len() > count {
            let place = usize::from(self.0[0].name == kept);
            self.0.remove(place);
        }
        held - self.0.len()
    }

    /// The app's logs as they are when the store was last told the time.
    fn logs(&mut self, name: &str, now: UnixNanos) -> &mut KnownLogs {
        let has_metrics = self.0.iter().any(|known| known.name == name);
        let logs = self.1.entry(name.to_owned()).or_default();
        if logs.heard + IDLE <= now.0 && !has_metrics {
            logs.texts.clear();
        }
        logs
    }

    /// Metrics that have gone may have kept logs until now.
    fn let_logs_go(&mut self, now: UnixNanos) {
        let names: Vec<_> = self.1.keys().cloned().collect();
        for name in names {
            self.logs(&name, now);
        }
    }

    fn order(&self) -> Vec<u64> {
        let hash = |known: &Known| source_hash(known.name.as_bytes());
        self.0.iter().map(hash).collect()
    }
}

struct Rig {
    recent: Arc<Recent>,
    model: Model,
    now: UnixNanos,
    /// When the store was last told the time.
    told: UnixNanos,
    bytes_max: usize,
    logs_max: usize,
    number: usize,
}

impl Rig {
    fn new(bytes_max: usize, logs_max: usize) -> Self {
        Self {
            recent: store(logs_max, ByteSize::b(bytes_max as u64)),
            model: Model::default(),
            now: START,
            told: START,
            bytes_max,
            logs_max,
            number: 0,
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Log { app, is_v1, bytes } => self.log(&app.to_string(), is_v1, bytes),
            Step::Metric {
                app,
                instance,
                age_seconds,
            } => self.metric(&app.to_string(), instance, age_seconds),
            Step::Wait { millis } => self.now.0 += millis * 1_000_000,
            Step::Read { app } => self.read(&app.to_string()),
        }
        self.check();
    }

    fn log(&mut self, app: &str, is_v1: bool, bytes: usize) {
        self.model.forget_idle(self.now);
        self.number += 1;
        let text = format!("{:bytes$}", self.number);
        match is_v1 {
            true => add_v1(&self.recent, self.now, &v1_log(Some(app), &text)),
            false => add_v2(&self.recent, self.now, &log(app, &text)),
        }
        self.told = self.now;
        let logs = self.model.logs(app, self.now);
        logs.heard = self.now.0;
        logs.texts.push(text);
    }

    fn metric(&mut self, app: &str, instance: i32, age_seconds: u64) {
        self.model.forget_idle(self.now);
        let time = UnixNanos(self.now.0 - age_seconds * SECOND);
        add_v2(&self.recent, self.now, &container(app, instance, time));
        self.told = self.now;
        self.model.let_logs_go(self.now);
        let metrics = &mut self.model.known(app, self.now).metrics;
        match metrics.iter_mut().find(|(index, _)| *index == instance) {
            Some((_, newest)) => *newest = time.0.max(*newest),
            None => metrics.push((instance, time.0)),
        }
        self.follow(app);
    }

    /// Lets the model forget what the store did, if the store had to.
    fn follow(&mut self, app: &str) {
        let count = self.recent.state().checked_order().len();
        let evicted = self.model.shrink(count, app);
        let is_small = self.bytes_max < 1 << 20;
        assert!(evicted == 0 || is_small, "there is room for everything");
    }

    fn read(&mut self, app: &str) {
        let logs = &self.model.logs(app, self.told).texts;
        let shown = texts(&self.recent.logs(app));
        assert!(logs.ends_with(&shown), "the newest, in order");
        let most = logs.len().min(self.logs_max);
        let is_bounded = self.bytes_max < 1 << 20;
        assert!(shown.len() == most || (is_bounded && shown.len() <= most));
        let known = self.model.0.iter().find(|known| known.name == app);
        let Some(known) = known else {
            assert!(self.recent.container_metrics(app, self.now).is_empty());
            return;
        };
        let oldest = self.now.0 - 120 * SECOND;
        let mut fresh = known.metrics.clone();
        fresh.retain(|(_, time)| *time >= oldest);
        fresh.sort_unstable();
        let metrics = self.recent.container_metrics(app, self.now);
        let expected = fresh.iter().map(|(index, time)| {
            let metric = container(app, *index, UnixNanos(*time));
            to_v1(metric).remove(0).encode_to_vec()
        });
        assert_eq!(metrics, expected.collect::<Vec<_>>());
    }

    fn check(&self) {
        assert_eq!(self.recent.state().checked_order(), self.model.order());
        let counts = self.recent.counts();
        assert!(counts.bytes <= self.bytes_max, "{counts:?}");
        let gone = [
            RecentCounter::Replaced,
            RecentCounter::Evicted,
            RecentCounter::Expired,
        ];
        let gone: u64 = gone.into_iter().map(|counter| counts.get(counter)).sum();
        let held = u64::try_from(counts.logs + counts.metrics).unwrap();
        assert_eq!(counts.get(RecentCounter::Taken), gone + held);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn with_room_for_all_it_shows_what_a_naive_one_shows(
        logs_max in prop_oneof![Just(1_usize), 2..40_usize],
        steps in prop::collection::vec(step(), 1..300),
    ) {
        let mut rig = Rig::new(64 << 20, logs_max);
        steps.into_iter().for_each(|step| rig.run(step));
    }

    #[test]
    fn when_memory_is_short_it_shows_fewer_and_nothing_else(
        bytes_max in 150_000..400_000_usize,
        steps in prop::collection::vec(step(), 1..300),
    ) {
        let mut rig = Rig::new(bytes_max, 40);
        steps.into_iter().for_each(|step| rig.run(step));
    }
}
