//! One TCP stream, cut in every way, through a whole shard: always the same envelopes.

use hydrant_engine::config::{EngineConfig, TcpConfig};
use hydrant_engine::counters::{Counter, Loss};
use hydrant_engine::kernel::{ConnectionIndex, End, Event, ListenerIndex};
use hydrant_engine::record::Version;
use hydrant_tests::envelopes::Maker;
use hydrant_tests::random::Rng;
use hydrant_tests::rig::Rig;
use hydrant_tests::script::{Line, Script};
use hydrant_tests::wire;

const CONNECTION: ConnectionIndex = ConnectionIndex(0);

/// A listener and what one connection to it says.
struct Speech {
    version: Version,
    envelopes: Vec<Vec<u8>>,
    stream: Vec<u8>,
}

impl Speech {
    fn new(version: Version) -> Self {
        let mut maker = Maker::new(Rng::with_seed(5), 10);
        let mut envelopes: Vec<_> = (0..6).map(|_| maker.valid(version)).collect();
        if version == Version::V2 {
            envelopes.insert(3, Vec::new()); // Legal in v2: says nothing.
        }
        let mut stream = Vec::new();
        for envelope in &envelopes {
            wire::frame(&mut stream, envelope);
        }
        Self {
            version,
            envelopes,
            stream,
        }
    }

    fn config(&self) -> EngineConfig {
        let tcp = TcpConfig {
            address: ([127, 0, 0, 1], 0).into(),
            version: self.version,
        };
        EngineConfig {
            tcp: vec![tcp],
            connections_max: 1,
            ..EngineConfig::default()
        }
    }

    /// A connection whose bytes come in these chunks.
    fn connection(chunks: &[&[u8]]) -> Vec<Line> {
        let opened = Event::Opened {
            connection: CONNECTION,
            listener: ListenerIndex(0),
        };
        let closed = Event::Closed {
            connection: CONNECTION,
            end: End::Ended,
        };
        let chunk = |bytes: &&'_ [u8]| {
            let connection = CONNECTION;
            Line::new(Event::Chunk { connection, bytes })
        };
        let mut lines = vec![Line::new(opened)];
        lines.extend(chunks.iter().filter(|bytes| !bytes.is_empty()).map(chunk));
        lines.push(Line::new(closed));
        lines
    }

    fn play(&self, lines: Vec<Line>) -> (Rig<Script>, Vec<Vec<u8>>) {
        let mut rig = Rig::new(Script::once(lines), &self.config(), 1 << 20);
        let envelopes = rig.run();
        (rig, envelopes)
    }

    /// Where frames end.
    fn ends(&self) -> Vec<usize> {
        let lengths = self.envelopes.iter().map(|envelope| 4 + envelope.len());
        lengths
            .scan(0, |end, length| {
                *end += length;
                Some(*end)
            })
            .collect()
    }
}

#[test]
fn every_cut_in_two_gives_the_same_envelopes() {
    for version in [Version::V1, Version::V2] {
        let speech = Speech::new(version);
        let cuts = 0..=speech.stream.len();
        let lines = cuts.clone().flat_map(|cut| {
            let (first, second) = speech.stream.split_at(cut);
            Speech::connection(&[first, second])
        });
        let (rig, envelopes) = speech.play(lines.collect());
        assert_eq!(envelopes.len(), cuts.count() * speech.envelopes.len());
        for (cut, found) in envelopes.chunks(speech.envelopes.len()).enumerate() {
            assert_eq!(found, speech.envelopes, "{version:?} cut at {cut}");
        }
        assert_eq!(rig.counters.malformed(), 0);
    }
}

#[test]
fn single_bytes_give_the_same_envelopes() {
    for version in [Version::V1, Version::V2] {
        let speech = Speech::new(version);
        let chunks: Vec<_> = speech.stream.chunks(1).collect();
        let (rig, envelopes) = speech.play(Speech::connection(&chunks));
        assert_eq!(envelopes, speech.envelopes);
        let bytes = rig.counters.get(Counter::BytesReceived);
        assert_eq!(bytes, speech.stream.len() as u64);
    }
}

#[test]
fn an_end_anywhere_costs_the_frame_that_it_cuts_and_no_other() {
    for version in [Version::V1, Version::V2] {
        let speech = Speech::new(version);
        let ends = speech.ends();
        for end in 0..=speech.stream.len() {
            let lines = Speech::connection(&[&speech.stream[..end]]);
            let (rig, envelopes) = speech.play(lines);
            let whole = ends.iter().filter(|frame_end| **frame_end <= end).count();
            let is_cut = end != 0 && !ends.contains(&end);
            assert_eq!(envelopes, speech.envelopes[..whole], "ended at {end}");
            assert_eq!(rig.counters.lost(Loss::FrameCut), u64::from(is_cut));
            let received = rig.counters.get(Counter::Received);
            assert_eq!(received, whole as u64 + u64::from(is_cut));
        }
    }
}
