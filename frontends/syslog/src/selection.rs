//! Which records a drain gets.

use crate::view::{Said, View};
use hydrant_bindings::{DrainData, SourceTypes};
use hydrant_engine::record::{Header, Kind, KindSet, source_hash};
use hydrant_engine::route::Demand;

/// What a drain asks for.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    kinds: KindSet,
    source_types: SourceTypes,
    app: Option<App>,
}

#[derive(Clone, Debug)]
struct App {
    id: String,
    source_hash: u64,
}

impl Selection {
    /// These data of one app (a source id) or of every source, the logs being of these types.
    pub(crate) fn new(data: DrainData, source_types: SourceTypes, app: Option<&str>) -> Self {
        let app = app.map(|id| App {
            id: id.to_owned(),
            source_hash: source_hash(id.as_bytes()),
        });
        Self {
            kinds: kinds(data),
            source_types,
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
    pub(crate) fn selects(&self, view: &View<'_>) -> bool {
        let app = self.app.as_ref();
        app.is_none_or(|app| app.id.as_bytes() == view.source_id) && self.wants_type(view)
    }

    fn wants_type(&self, view: &View<'_>) -> bool {
        if self.source_types == SourceTypes::All || !matches!(view.message, Some(Said::Log(_))) {
            return true;
        }
        let source_type = str::from_utf8(view.names.source_type.unwrap_or_default());
        self.source_types.want(source_type.unwrap_or_default())
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
    use hydrant_feed::wire::fields::Log;

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
        let mut selection = Selection::new(DrainData::All, SourceTypes::All, Some("a"));
        assert_eq!(selection.source_hash(), Some(source_hash(b"a")));
        let view = View {
            source_id: b"a",
            ..View::default()
        };
        assert!(selection.selects(&view));
        if let Some(app) = &mut selection.app {
            app.id = "b".to_owned();
        }
        assert!(!selection.selects(&view));
        let everything = Selection::new(DrainData::All, SourceTypes::All, None);
        assert!(everything.selects(&view));
    }

    #[test]
    fn logs_are_of_the_types_that_are_wanted() {
        let types = SourceTypes::parse("rtr", "").unwrap();
        let selection = Selection::new(DrainData::All, types, None);
        let selects = |message, source_type| {
            let mut view = View {
                message: Some(message),
                ..View::default()
            };
            view.names.source_type = source_type;
            selection.selects(&view)
        };
        let log = || Said::Log(Log::default());
        assert!(selects(log(), Some(b"RTR/1")));
        assert!(!selects(log(), Some(b"APP")));
        assert!(!selects(log(), None));
        assert!(selects(Said::Gauge, None));
    }
}
