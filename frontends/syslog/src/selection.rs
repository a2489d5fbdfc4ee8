//! Which records a drain gets.

use hydrant_bindings::DrainData;
use hydrant_engine::record::{Header, Kind, KindSet, source_hash};
use hydrant_engine::route::Demand;
use hydrant_proto::v2::Envelope;

/// What a drain asks for.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    kinds: KindSet,
    app: Option<App>,
}

#[derive(Clone, Debug)]
struct App {
    id: String,
    source_hash: u64,
}

impl Selection {
    /// These data of one app (a source id), or of every source.
    pub(crate) fn new(data: DrainData, app: Option<&str>) -> Self {
        let app = app.map(|id| App {
            id: id.to_owned(),
            source_hash: source_hash(id.as_bytes()),
        });
        Self {
            kinds: kinds(data),
            app,
        }
    }

    /// The hash of the one source, if it is one.
    pub(crate) fn source_hash(&self) -> Option<u64> {
        self.app.as_ref().map(|app| app.source_hash)
    }

    /// `demand` and what this selection needs.
    pub(crate) fn add_to(&self, demand: Demand) -> Demand {
        match self.source_hash() {
            Some(source_hash) => demand.with_source(source_hash, self.kinds),
            None => demand.with_kinds(self.kinds),
        }
    }

    /// Whether a record may be selected; its source has been looked up by its hash.
    pub(crate) fn may_select(&self, header: &Header) -> bool {
        self.kinds.contains(header.kind)
    }

    /// Whether a record that may be selected is: hashes can be made to collide, ids cannot.
    pub(crate) fn selects(&self, envelope: &Envelope) -> bool {
        let app = self.app.as_ref();
        app.is_none_or(|app| app.id == envelope.source_id)
    }
}

/// A v1 Error is a log in v2, and so for drains.
const fn kinds(data: DrainData) -> KindSet {
    let mut kinds = KindSet::NONE;
    if data.logs() {
        kinds = kinds.union(KindSet::of(&[Kind::Log, Kind::Error]));
    }
    if data.events() {
        kinds = kinds.union(KindSet::of(&[Kind::Event]));
    }
    if data.metrics() {
        kinds = kinds.union(KindSet::of(&[Kind::Counter, Kind::Gauge]));
    }
    if data.timers() {
        kinds = kinds.union(KindSet::of(&[Kind::Timer]));
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_kinds() {
        use Kind::{Counter, Error, Event, Gauge, Log, Timer};
        let table = [
            (DrainData::Logs, vec![Log, Error, Event]),
            (DrainData::LogsNoEvents, vec![Log, Error]),
            (DrainData::Metrics, vec![Counter, Gauge]),
            (DrainData::LogsAndMetrics, vec![Log, Error, Counter, Gauge]),
            (DrainData::Traces, vec![Timer]),
            (
                DrainData::All,
                vec![Log, Error, Event, Counter, Gauge, Timer],
            ),
        ];
        for (data, expected) in table {
            assert_eq!(kinds(data), KindSet::of(&expected), "{data:?}");
        }
        assert!(!kinds(DrainData::All).contains(Kind::Empty));
    }

    #[test]
    fn an_equal_hash_is_not_enough() {
        let mut selection = Selection::new(DrainData::All, Some("a"));
        assert_eq!(selection.source_hash(), Some(source_hash(b"a")));
        let envelope = Envelope {
            source_id: "a".to_owned(),
            ..Default::default()
        };
        assert!(selection.selects(&envelope));
        if let Some(app) = &mut selection.app {
            app.id = "b".to_owned();
        }
        assert!(!selection.selects(&envelope));
        assert!(Selection::new(DrainData::All, None).selects(&envelope));
    }
}
