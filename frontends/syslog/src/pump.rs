//! From records to the outboxes of the drains that want them.
//!
//! **The ledger**: each record is one `read`, and either one `unselected`, one `no_form`, or
//! `messages`. Its messages are its lines, counted once however many drains get them; the lines
//! beyond the first are `extra` too. So `read + extra = messages + no_form + unselected`.
//! `no_form` are records of which no drain gets a line: gauges without metrics, and envelopes that
//! RFC 5424 cannot carry (those are lost at each drain, under the name of the reason).

use crate::lines::Formats;
use crate::selection::Selection;
use crate::session::Session;
use hydrant_engine::record::{Header, Record};
use hydrant_feed::convert::v2_envelope;
use hydrant_feed::counters::FeedCounter;
use hydrant_feed::session::FrontendState;
use hydrant_proto::v2::Envelope;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// Selects, converts and writes records.
#[derive(Debug)]
pub(crate) struct Pump {
    outlets: Vec<Outlet>,
    /// Outlets of every source, and of the source with a hash; indexes of `outlets`.
    everywhere: Vec<usize>,
    by_source: HashMap<u64, Vec<usize>>,
    formats: Formats,
    /// Outlets of the record at hand.
    chosen: Vec<usize>,
    state: Arc<FrontendState>,
}

#[derive(Debug)]
struct Outlet {
    selection: Selection,
    format: usize,
    session: Rc<Session>,
}

impl Pump {
    /// A pump without drains, which counts into `state`.
    pub(crate) fn new(state: Arc<FrontendState>) -> Self {
        Self {
            outlets: Vec::new(),
            everywhere: Vec::new(),
            by_source: HashMap::new(),
            formats: Formats::default(),
            chosen: Vec::new(),
            state,
        }
    }

    /// Adds a drain; its lines are written with this hostname, and with tags or without.
    pub(crate) fn add(
        &mut self,
        selection: Selection,
        (hostname, metadata): (&str, bool),
        session: Rc<Session>,
    ) {
        let index = self.outlets.len();
        match selection.source_hash() {
            Some(hash) => self.by_source.entry(hash).or_default().push(index),
            None => self.everywhere.push(index),
        }
        let format = self.formats.index(hostname, metadata);
        self.outlets.push(Outlet {
            selection,
            format,
            session,
        });
    }

    /// Gives the record's lines to the drains that want it.
    pub(crate) fn take(&mut self, record: &Record<'_>) {
        self.count(FeedCounter::Read, 1);
        self.choose(&record.header);
        if self.chosen.is_empty() {
            return self.count(FeedCounter::Unselected, 1);
        }
        let Some(envelope) = v2_envelope(record) else {
            return self.count(FeedCounter::NoForm, 1);
        };
        let outlets = &self.outlets;
        self.chosen
            .retain(|index| outlets[*index].selection.selects(&envelope));
        if self.chosen.is_empty() {
            return self.count(FeedCounter::Unselected, 1);
        }
        match self.deliver(&envelope) {
            0 => self.count(FeedCounter::NoForm, 1),
            line_count => {
                self.count(FeedCounter::Messages, line_count);
                self.count(FeedCounter::Extra, line_count - 1);
            }
        }
    }

    fn choose(&mut self, header: &Header) {
        self.chosen.clear();
        let of_source = self.by_source.get(&header.source_hash);
        for list in [Some(&self.everywhere), of_source].into_iter().flatten() {
            let outlets = &self.outlets;
            let wants = |index: &&usize| outlets[**index].selection.may_select(header);
            self.chosen.extend(list.iter().filter(wants));
        }
    }

    /// Returns how many lines the record became: the same in every format that can carry it.
    fn deliver(&mut self, envelope: &Envelope) -> u64 {
        let mut line_count = 0;
        self.formats.next_record();
        for index in &self.chosen {
            let outlet = &self.outlets[*index];
            match self.formats.lines(outlet.format, envelope) {
                Ok(lines) => {
                    line_count = lines.len() as u64;
                    outlet.session.push(lines);
                }
                Err(loss) => outlet.session.refuse(loss),
            }
        }
        line_count
    }

    fn count(&self, counter: FeedCounter, count: u64) {
        self.state.feed.add(counter, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_bindings::DrainData;
    use hydrant_engine::clock::UnixNanos;
    use hydrant_engine::decode;
    use hydrant_engine::record::{SourceRule, Version, source_hash};
    use hydrant_feed::counters::SessionCounter;
    use hydrant_feed::session::SessionState;
    use hydrant_proto::v1;
    use hydrant_proto::v2::envelope::Message;
    use hydrant_proto::v2::{Counter, Event, Gauge, GaugeValue, Log, Timer};
    use prost::Message as _;

    struct Drain {
        state: Arc<SessionState>,
        session: Rc<Session>,
    }

    struct Rig {
        pump: Pump,
        drains: Vec<Drain>,
    }

    impl Rig {
        fn new(drains: &[(DrainData, Option<&str>, &str)]) -> Self {
            let mut rig = Self {
                pump: Pump::new(Arc::new(FrontendState::new("syslog", None))),
                drains: Vec::new(),
            };
            for (data, app, hostname) in drains {
                let state = Arc::new(SessionState::new(String::new(), String::new()));
                let session = Rc::new(Session::new(state.clone(), 1 << 20));
                let selection = Selection::new(*data, *app);
                rig.pump.add(selection, (hostname, true), session.clone());
                rig.drains.push(Drain { state, session });
            }
            rig
        }

        fn take(&mut self, envelope: &Envelope) {
            self.take_bytes(&envelope.encode_to_vec(), Version::V2);
        }

        fn take_bytes(&mut self, bytes: &[u8], version: Version) {
            let checked = decode::envelope(bytes, version, SourceRule::DeploymentJob).unwrap();
            self.pump.take(&Record {
                header: checked.header(UnixNanos(0)),
                envelope: bytes,
            });
            assert_eq!(self.pump.state.feed.unbalanced(), 0);
        }

        fn feed(&self, counter: FeedCounter) -> u64 {
            self.pump.state.feed.get(counter)
        }

        fn lines(&self, drain: usize) -> Vec<String> {
            let session = &self.drains[drain].session;
            let text = |line: bytes::Bytes| String::from_utf8(line.to_vec()).unwrap();
            std::iter::from_fn(|| session.pop()).map(text).collect()
        }

        fn selected(&self, drain: usize) -> u64 {
            let counters = &self.drains[drain].state.counters;
            counters.get(SessionCounter::Selected)
        }
    }

    fn envelope(source_id: &str, message: Message) -> Envelope {
        Envelope {
            source_id: source_id.to_owned(),
            message: Some(message),
            ..Default::default()
        }
    }

    fn log(source_id: &str) -> Envelope {
        envelope(source_id, Message::Log(Log::default()))
    }

    fn gauge(names: &[&str]) -> Envelope {
        let metric = |name: &&str| (String::from(*name), GaugeValue::default());
        let metrics = names.iter().map(metric).collect();
        envelope("a", Message::Gauge(Gauge { metrics }))
    }

    #[test]
    fn drains_get_their_kinds() {
        let messages = [
            Message::Log(Log::default()),
            Message::Event(Event::default()),
            Message::Counter(Counter::default()),
            Message::Timer(Timer::default()),
        ];
        let table = [
            (DrainData::Logs, vec![0, 1]),
            (DrainData::LogsNoEvents, vec![0]),
            (DrainData::Metrics, vec![2]),
            (DrainData::LogsAndMetrics, vec![0, 2]),
            (DrainData::Traces, vec![3]),
            (DrainData::All, vec![0, 1, 2, 3]),
        ];
        for (data, wanted) in table {
            for app in [None, Some("a")] {
                let mut rig = Rig::new(&[(data, app, "")]);
                for (number, message) in messages.iter().enumerate() {
                    rig.take(&envelope("a", message.clone()));
                    let expected = usize::from(wanted.contains(&number));
                    assert_eq!(rig.lines(0).len(), expected, "{data:?} {message:?}");
                }
                let unselected = messages.len() - wanted.len();
                assert_eq!(rig.feed(FeedCounter::Unselected), unselected as u64);
            }
        }
    }

    #[test]
    fn a_v1_error_is_a_log() {
        let mut rig = Rig::new(&[
            (DrainData::LogsNoEvents, None, ""),
            (DrainData::Metrics, None, ""),
        ]);
        let error = v1::Envelope {
            origin: "o".into(),
            event_type: v1::envelope::EventType::Error as i32,
            error: Some(v1::Error {
                source: "s".into(),
                code: 1,
                message: "broken".into(),
            }),
            ..Default::default()
        };
        rig.take_bytes(&error.encode_to_vec(), Version::V1);
        assert!(rig.lines(0)[0].contains("broken"));
        assert_eq!(rig.selected(1), 0);
    }

    #[test]
    fn an_apps_drain_gets_only_its_app() {
        let mut rig = Rig::new(&[
            (DrainData::All, None, ""),
            (DrainData::All, Some("a"), ""),
            (DrainData::All, Some("a"), "h"),
            (DrainData::All, Some("b"), ""),
        ]);
        for source_id in ["a", "b", "a", "c"] {
            rig.take(&log(source_id));
        }
        let counts = [0, 1, 2, 3].map(|drain| rig.lines(drain).len());
        assert_eq!(counts, [4, 2, 2, 1]);
        assert_eq!(rig.feed(FeedCounter::Messages), 4);
    }

    #[test]
    fn a_forged_hash_selects_nothing() {
        let mut rig = Rig::new(&[(DrainData::All, Some("a"), "")]);
        let bytes = log("b").encode_to_vec();
        let rule = SourceRule::DeploymentJob;
        let checked = decode::envelope(&bytes, Version::V2, rule).unwrap();
        let mut header = checked.header(UnixNanos(0));
        header.source_hash = source_hash(b"a");
        rig.pump.take(&Record {
            header,
            envelope: &bytes,
        });
        assert_eq!(rig.selected(0), 0);
        assert_eq!(rig.feed(FeedCounter::Unselected), 1);
        assert_eq!(rig.pump.state.feed.unbalanced(), 0);
    }

    #[test]
    fn a_gauges_lines_are_counted_once_in_the_feed() {
        let mut rig = Rig::new(&[(DrainData::All, None, ""), (DrainData::Metrics, None, "h")]);
        rig.take(&gauge(&["x", "y", "z"]));
        assert_eq!([rig.lines(0).len(), rig.lines(1).len()], [3, 3]);
        assert_eq!([rig.selected(0), rig.selected(1)], [3, 3]);
        assert_eq!(rig.feed(FeedCounter::Messages), 3);
        assert_eq!(rig.feed(FeedCounter::Extra), 2);
        rig.take(&gauge(&[]));
        assert_eq!([rig.selected(0), rig.selected(1)], [3, 3]);
        assert_eq!(rig.feed(FeedCounter::NoForm), 1);
    }

    #[test]
    fn a_line_that_cannot_be_is_lost_where_it_cannot_be() {
        // The second drain's hostname cannot be written; a config check would have refused it.
        let mut rig = Rig::new(&[(DrainData::All, None, ""), (DrainData::All, None, "a b")]);
        rig.take(&log("a"));
        rig.take(&log("not printable"));
        assert_eq!([rig.lines(0).len(), rig.lines(1).len()], [1, 0]);
        let lost = |drain: usize, counter| rig.drains[drain].state.counters.get(counter);
        assert_eq!(lost(0, SessionCounter::AppNameInvalid), 1);
        assert_eq!(lost(1, SessionCounter::HostnameInvalid), 2);
        assert_eq!([rig.selected(0), rig.selected(1)], [2, 2]);
        assert_eq!(rig.feed(FeedCounter::Messages), 1);
        assert_eq!(rig.feed(FeedCounter::NoForm), 1);
    }
}
