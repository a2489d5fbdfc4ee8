//! What a v1 subscriber asks for, as the Traffic Controller's API lets it.

use hydrant_engine::decode;
use hydrant_engine::record::{Kind, KindSet, Record, Version, source_hash};
use hydrant_engine::route::Demand;
use hydrant_proto::{v1, v1_app_id};
use prost::Message;

/// A selector of the v1 API.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// The firehose: every envelope of these kinds. `filter-type` looks at the kind with which the
    /// envelope came in: a v1 Error that travelled through v2 counts as the log that it is there.
    Firehose(KindSet),
    /// The stream of one app: its logs, its requests, its container metrics.
    App {
        /// The app's id.
        id: String,
        /// Of these kinds.
        kinds: KindSet,
        /// Its hash, by which records are found.
        source_hash: u64,
    },
}

/// The app id of all that belongs to no app.
const SYSTEM: &str = "system";
/// Kinds whose v1 form names an app.
const APP_KINDS: KindSet = KindSet::of(&[Kind::Log, Kind::Timer, Kind::Gauge]);

impl Selector {
    /// Everything.
    pub const fn everything() -> Self {
        Self::Firehose(KindSet::ALL)
    }

    /// `filter-type=logs`.
    pub const fn logs() -> Self {
        Self::Firehose(KindSet::of(&[Kind::Log]))
    }

    /// `filter-type=metrics`: everything but logs.
    pub const fn metrics() -> Self {
        Self::Firehose(KindSet::of(&[
            Kind::Counter,
            Kind::Gauge,
            Kind::Timer,
            Kind::Event,
            Kind::Error,
            Kind::Empty,
        ]))
    }

    /// The stream of an app.
    pub fn app(id: &str) -> Self {
        Self::everything().of_app(id)
    }

    /// What of this is about the app.
    #[must_use]
    pub fn of_app(self, id: &str) -> Self {
        let (Self::Firehose(kinds) | Self::App { kinds, .. }) = self;
        Self::App {
            id: id.to_owned(),
            kinds,
            source_hash: source_hash(id.as_bytes()),
        }
    }

    /// `demand` and what this selector needs.
    #[must_use]
    pub fn add_to(&self, demand: Demand) -> Demand {
        match self {
            Self::Firehose(kinds) => demand.with_kinds(*kinds),
            Self::App { id, kinds, .. } if id == SYSTEM => demand.with_kinds(*kinds),
            Self::App { source_hash, .. } => demand.with_source(*source_hash, APP_KINDS),
        }
    }

    /// Whether it may select envelopes of this kind.
    pub const fn selects_kind(&self, kind: Kind) -> bool {
        let (Self::Firehose(kinds) | Self::App { kinds, .. }) = self;
        kinds.contains(kind)
    }

    /// Whether the record may be selected; a cheap look at its header.
    #[inline]
    pub fn may_select(&self, record: &Record<'_>) -> bool {
        match self {
            Self::Firehose(kinds) => kinds.contains(record.header.kind),
            Self::App { id, kinds, .. } if id == SYSTEM => kinds.contains(record.header.kind),
            Self::App {
                source_hash, kinds, ..
            } => {
                record.header.source_hash == *source_hash
                    && APP_KINDS.contains(record.header.kind)
                    && kinds.contains(record.header.kind)
            }
        }
    }

    /// The hash of the only source that it selects, if there is one.
    pub fn source_hash(&self) -> Option<u64> {
        match self {
            Self::App {
                id, source_hash, ..
            } if id != SYSTEM => Some(*source_hash),
            Self::App { .. } | Self::Firehose(_) => None,
        }
    }

    /// Whether a record that may be selected is: hashes can be made to collide, ids cannot.
    /// `message` is one of the record's v1 messages.
    pub fn selects(&self, message: &[u8]) -> bool {
        match self {
            Self::Firehose(_) => true,
            Self::App { id, .. } => log_app_id(message).map_or_else(
                || v1::Envelope::decode(message).is_ok_and(|envelope| v1_app_id(&envelope) == *id),
                |app_id| app_id == id.as_bytes(),
            ),
        }
    }
}

/// Fields of a v1 envelope and of its log.
const EVENT_TYPE: u64 = 2;
const LOG_MESSAGE: u64 = 8;
const HTTP_START_STOP: u64 = 7;
const CONTAINER_METRIC: u64 = 12;
const APP_ID: u64 = 4;
/// The field that says so: its key and the type.
const TYPE_IS_LOG: [u8; 2] = [0x10, 5];

/// The app id of a log, if a look at the bytes finds it: one event, a log, that has one.
fn log_app_id(message: &[u8]) -> Option<&[u8]> {
    let mut types = decode::whole_fields(message).filter(|(field, _)| *field == EVENT_TYPE);
    if types.next() != Some((EVENT_TYPE, &TYPE_IS_LOG)) || types.next().is_some() {
        return None;
    }
    let mut log = None;
    for (field, bytes) in decode::fields(message) {
        match field {
            LOG_MESSAGE if log.is_none() => log = Some(bytes),
            LOG_MESSAGE | HTTP_START_STOP | CONTAINER_METRIC => return None,
            _ => {}
        }
    }
    let mut ids = decode::fields(log?).filter(|(field, _)| *field == APP_ID);
    let (_, id) = ids.next()?;
    ids.next().is_none().then_some(id)
}

/// Whether a record needs no conversion for v1 sessions.
pub fn is_v1(record: &Record<'_>) -> bool {
    record.header.version == Version::V1
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_engine::clock::UnixNanos;
    use hydrant_engine::record::SourceRule;
    use proptest::prelude::*;

    fn selects(selector: &Selector, envelope: &v1::Envelope) -> bool {
        let bytes = envelope.encode_to_vec();
        let checked = decode::envelope(&bytes, Version::V1, SourceRule::DeploymentJob).unwrap();
        let record = Record {
            header: checked.header(UnixNanos(0)),
            envelope: &bytes,
        };
        let wanted = selector.add_to(Demand::none()).wants(&record.header);
        let selected = selector.may_select(&record) && selector.selects(&bytes);
        assert!(wanted || !selected, "what is selected is demanded");
        selected
    }

    fn log(app: &str) -> v1::Envelope {
        v1::Envelope {
            origin: "o".into(),
            event_type: v1::envelope::EventType::LogMessage as i32,
            log_message: Some(v1::LogMessage {
                message: "m".into(),
                message_type: v1::log_message::MessageType::Out as i32,
                app_id: Some(app.into()),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn counter() -> v1::Envelope {
        v1::Envelope {
            origin: "o".into(),
            event_type: v1::envelope::EventType::CounterEvent as i32,
            counter_event: Some(v1::CounterEvent {
                name: "c".into(),
                ..Default::default()
            }),
            tags: [("source_id".to_owned(), "a".to_owned())].into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_firehose_selects_by_kind() {
        assert!(selects(&Selector::everything(), &log("a")));
        assert!(selects(&Selector::everything(), &counter()));
        assert!(selects(&Selector::logs(), &log("a")));
        assert!(!selects(&Selector::logs(), &counter()));
        assert!(!selects(&Selector::metrics(), &log("a")));
        assert!(selects(&Selector::metrics(), &counter()));
    }

    #[test]
    fn an_app_stream_selects_what_names_the_app() {
        assert!(selects(&Selector::app("a"), &log("a")));
        assert!(!selects(&Selector::app("a"), &log("b")));
        // A counter names no app in v1, whatever its tags say.
        assert!(!selects(&Selector::app("a"), &counter()));
        assert!(selects(&Selector::app("system"), &counter()));
        assert!(!selects(&Selector::app("system"), &log("a")));
    }

    #[test]
    fn an_app_stream_can_be_of_some_kinds() {
        assert!(selects(&Selector::logs().of_app("a"), &log("a")));
        assert!(!selects(&Selector::logs().of_app("a"), &log("b")));
        assert!(!selects(&Selector::metrics().of_app("a"), &log("a")));
        assert!(selects(&Selector::metrics().of_app("system"), &counter()));
        assert!(!selects(&Selector::logs().of_app("system"), &counter()));
    }

    #[test]
    fn an_equal_hash_is_not_enough() {
        let forged = Selector::App {
            id: "b".into(),
            kinds: KindSet::ALL,
            source_hash: source_hash(b"a"),
        };
        assert!(!selects(&forged, &log("a")));
    }

    proptest! {
        #[test]
        fn a_look_at_the_bytes_finds_what_decoding_finds(
            kind in 0..12_i32,
            app_id in proptest::option::of("[ab]{0,2}"),
            twice in proptest::option::of("[ab]{0,2}"),
            others in any::<[bool; 3]>(),
        ) {
            let log = |app_id: Option<String>| v1::LogMessage {
                app_id,
                ..Default::default()
            };
            let envelope = v1::Envelope {
                event_type: kind,
                log_message: Some(log(app_id)),
                http_start_stop: others[0].then(Default::default),
                container_metric: others[1].then(Default::default),
                counter_event: others[2].then(Default::default),
                ..Default::default()
            };
            let mut bytes = envelope.encode_to_vec();
            if let Some(twice) = twice {
                let again = v1::Envelope {
                    event_type: kind,
                    log_message: Some(log(Some(twice))),
                    ..Default::default()
                };
                bytes.extend(again.encode_to_vec());
            }
            let decoded = v1::Envelope::decode(&*bytes).unwrap();
            let app_id = v1_app_id(&decoded);
            if let Some(found) = log_app_id(&bytes) {
                prop_assert_eq!(found, app_id.as_bytes());
            }
            for id in ["", "a", "b", "ab", "system"] {
                prop_assert_eq!(Selector::app(id).selects(&bytes), app_id == id);
            }
        }
    }
}
