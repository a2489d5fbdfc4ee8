//! From records to the outboxes of the drains that want them.
//!
//! **The ledger**: each record is one `read`, and either one `unselected`, one `no_form`, or
//! `messages`. Its messages are its lines, counted once however many drains get them; the lines
//! beyond the first are `extra` too. So `read + extra = messages + no_form + unselected`.
//! `no_form` are records of which no drain gets a line: gauges without metrics, and envelopes that
//! RFC 5424 cannot carry (those are lost at each drain, under the name of the reason).

use crate::format::Format;
use crate::lines::Written;
use crate::selection::Selection;
use crate::session::Session;
use crate::view::{View, Views};
use hydrant_engine::record::{Header, Record};
use hydrant_feed::counters::FeedCounter;
use hydrant_feed::session::FrontendState;
use slab::Slab;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// Selects and writes records.
#[derive(Debug)]
pub(crate) struct Pump {
    sorter: Sorter,
    views: Views,
    state: Arc<FrontendState>,
}

/// Who gets a record.
#[derive(Debug, Default)]
struct Sorter {
    outlets: Slab<Outlet>,
    /// Outlets of every source, and of the source with a hash; keys of `outlets`.
    everywhere: Vec<usize>,
    by_source: HashMap<u64, Vec<usize>>,
    /// Outlets of the record at hand, and its lines.
    chosen: Vec<usize>,
    written: Written,
}

#[derive(Debug)]
struct Outlet {
    selection: Selection,
    format: Format,
    session: Rc<Session>,
}

/// What became of a record.
enum Outcome {
    Unselected,
    NoForm,
    /// So many lines.
    Messages(u64),
}

impl Pump {
    /// A pump without drains, which counts into `state`.
    pub(crate) fn new(state: Arc<FrontendState>) -> Self {
        Self {
            sorter: Sorter::default(),
            views: Views::default(),
            state,
        }
    }

    /// Adds a drain; gives the key to [`remove`](Self::remove) it with.
    pub(crate) fn add(
        &mut self,
        selection: Selection,
        format: Format,
        session: Rc<Session>,
    ) -> usize {
        self.sorter.add(Outlet {
            selection,
            format,
            session,
        })
    }

    /// Takes a drain out; it gets nothing more.
    pub(crate) fn remove(&mut self, key: usize) {
        self.sorter.remove(key);
    }

    /// What all drains want.
    pub(crate) fn selections(&self) -> impl Iterator<Item = &Selection> {
        let outlets = self.sorter.outlets.iter();
        outlets.map(|(_, outlet)| &outlet.selection)
    }

    /// Gives the record's lines to the drains that want it.
    pub(crate) fn take(&mut self, record: &Record<'_>) {
        self.count(FeedCounter::Read, 1);
        match self.deal_out(record) {
            Outcome::Unselected => self.count(FeedCounter::Unselected, 1),
            Outcome::NoForm => self.count(FeedCounter::NoForm, 1),
            Outcome::Messages(line_count) => {
                self.count(FeedCounter::Messages, line_count);
                if line_count > 1 {
                    self.count(FeedCounter::Extra, line_count - 1);
                }
            }
        }
    }

    fn deal_out(&mut self, record: &Record<'_>) -> Outcome {
        self.sorter.choose(&record.header);
        if self.sorter.chosen.is_empty() {
            return Outcome::Unselected;
        }
        let sorter = &mut self.sorter;
        let outcome = self.views.show(record, |view| sorter.deliver(view));
        outcome.unwrap_or(Outcome::NoForm)
    }

    fn count(&self, counter: FeedCounter, count: u64) {
        self.state.feed.add(counter, count);
    }
}

impl Sorter {
    fn add(&mut self, outlet: Outlet) -> usize {
        let source_hash = outlet.selection.source_hash();
        let key = self.outlets.insert(outlet);
        match source_hash {
            Some(hash) => self.by_source.entry(hash).or_default().push(key),
            None => self.everywhere.push(key),
        }
        key
    }

    fn remove(&mut self, key: usize) {
        let outlet = self.outlets.remove(key);
        let Some(hash) = outlet.selection.source_hash() else {
            return self.everywhere.retain(|other| *other != key);
        };
        if let Some(keys) = self.by_source.get_mut(&hash) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.by_source.remove(&hash);
            }
        }
    }

    fn choose(&mut self, header: &Header) {
        self.chosen.clear();
        let of_source = self.by_source.get(&header.source_hash);
        for list in [Some(&self.everywhere), of_source].into_iter().flatten() {
            let outlets = &self.outlets;
            let wants = |key: &&usize| outlets[**key].selection.may_select(header);
            self.chosen.extend(list.iter().filter(wants));
        }
    }

    fn deliver(&mut self, view: &View<'_>) -> Outcome {
        let outlets = &self.outlets;
        self.chosen
            .retain(|key| outlets[*key].selection.selects(view));
        if self.chosen.is_empty() {
            return Outcome::Unselected;
        }
        // The same number in every format that can carry the envelope.
        let mut line_count = 0;
        self.written.next_record();
        for key in &self.chosen {
            let session = &outlets[*key].session;
            match self.written.lines(*key, |key| &outlets[key].format, view) {
                Ok(lines) => {
                    line_count = u64::from(lines.count);
                    session.push(lines);
                }
                Err(loss) => session.refuse(loss),
            }
        }
        match line_count {
            0 => Outcome::NoForm,
            line_count => Outcome::Messages(line_count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::frames::first_frame_bytes;
    use futures_util::FutureExt;
    use hydrant_bindings::{DrainData, Framing, SourceTypes};
    use hydrant_engine::clock::UnixNanos;
    use hydrant_engine::decode;
    use hydrant_engine::record::{SourceRule, Version, source_hash};
    use hydrant_feed::budget::Budget;
    use hydrant_feed::counters::SessionCounter;
    use hydrant_feed::session::SessionState;
    use hydrant_proto::v1;
    use hydrant_proto::v2::envelope::Message;
    use hydrant_proto::v2::{Counter, Envelope, Event, Gauge, GaugeValue, Log, Timer};
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
                let budget = Budget::new(1 << 20);
                let session = Rc::new(Session::new(state.clone(), 1 << 20, budget));
                let selection = Selection::new(*data, SourceTypes::All, *app);
                let format = Format::new(hostname, true, Framing::default());
                rig.pump.add(selection, format, session.clone());
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
            let mut bytes = Vec::new();
            let take = || session.take(1).now_or_never().unwrap().unwrap();
            for batch in std::iter::repeat_with(take).take_while(|batch| !batch.is_empty()) {
                bytes.extend_from_slice(batch.bytes());
            }
            let mut rest = &bytes[..];
            let mut lines = Vec::new();
            while !rest.is_empty() {
                let end = first_frame_bytes(rest, Framing::default());
                lines.push(String::from_utf8(rest[..end].to_vec()).unwrap());
                rest = &rest[end..];
            }
            lines
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
