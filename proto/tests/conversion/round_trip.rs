//! What survives the way there and back, and what holds of every conversion.

use std::collections::BTreeMap;

use hydrant_proto::convert::{SourceFallback, to_v1, to_v2};
use hydrant_proto::v1::envelope::EventType;
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::{v1, v2};
use proptest::prelude::*;
use prost::Message as _;

use crate::strategies::{
    any_v1, any_v2, written_container, written_counter, written_error, written_log,
    written_request, written_value,
};

const FALLBACKS: [SourceFallback; 2] = [SourceFallback::DeploymentJob, SourceFallback::Origin];

/// The tags that say where an envelope is from and that are fields in v1.
const FIELD_TAGS: [&str; 6] = ["__v1_type", "origin", "deployment", "job", "index", "ip"];

fn there_and_back(envelope: &v1::Envelope, fallback: SourceFallback) -> Vec<v1::Envelope> {
    to_v1(to_v2(envelope.clone(), fallback))
}

/// Bytes, because NaN is not equal to itself.
fn encoded(envelopes: &[v1::Envelope]) -> Vec<Vec<u8>> {
    envelopes.iter().map(v1::Envelope::encode_to_vec).collect()
}

/// Which of an envelope's events are set.
fn events(envelope: &v1::Envelope) -> Vec<EventType> {
    let set = [
        (EventType::HttpStartStop, envelope.http_start_stop.is_some()),
        (EventType::LogMessage, envelope.log_message.is_some()),
        (EventType::ValueMetric, envelope.value_metric.is_some()),
        (EventType::CounterEvent, envelope.counter_event.is_some()),
        (EventType::Error, envelope.error.is_some()),
        (
            EventType::ContainerMetric,
            envelope.container_metric.is_some(),
        ),
    ];
    set.into_iter()
        .filter(|(_, set)| *set)
        .map(|(event_type, _)| event_type)
        .collect()
}

fn expected_count(envelope: &v2::Envelope) -> usize {
    match &envelope.message {
        Some(Message::Gauge(gauge)) => gauge.metrics.len(),
        Some(Message::Event(_)) | None => 0,
        Some(_) => 1,
    }
}

/// `tags` without those that are fields in v1.
fn without_fields(mut tags: BTreeMap<String, String>) -> BTreeMap<String, String> {
    tags.retain(|key, _| !FIELD_TAGS.contains(&&**key));
    tags
}

proptest! {
    #[test]
    fn nothing_is_lost_of_an_envelope_that_says_everything_where_it_belongs(
        envelope in prop_oneof![
            written_log(), written_request(), written_value(), written_counter(),
            written_error(), written_container(),
        ],
    ) {
        for fallback in FALLBACKS {
            let back = there_and_back(&envelope, fallback);
            prop_assert_eq!(encoded(&back), encoded(std::slice::from_ref(&envelope)));
        }
    }

    #[test]
    fn what_is_lost_is_lost_the_first_time(mut envelope in any_v1()) {
        // An empty source id is no tag afterwards, which Doppler's rule does not take for empty.
        envelope.tags.retain(|key, value| key != "source_id" || !value.is_empty());
        for fallback in FALLBACKS {
            let once = there_and_back(&envelope, fallback);
            let twice: Vec<_> =
                once.iter().flat_map(|envelope| there_and_back(envelope, fallback)).collect();
            prop_assert_eq!(encoded(&twice), encoded(&once));
        }
    }

    #[test]
    fn a_known_type_comes_back_as_itself(envelope in any_v1()) {
        let back = there_and_back(&envelope, SourceFallback::Origin);
        let event_types: Vec<_> = back.iter().map(|envelope| envelope.event_type).collect();
        let known = EventType::try_from(envelope.event_type).is_ok();
        prop_assert_eq!(event_types, if known { vec![envelope.event_type] } else { vec![] });
    }

    #[test]
    fn a_v2_envelope_has_its_fields_and_tags_in_one_place(envelope in any_v1()) {
        for fallback in FALLBACKS {
            let converted = to_v2(envelope.clone(), fallback);
            prop_assert!(converted.deprecated_tags.is_empty());
            prop_assert!(!converted.tags.contains_key("source_id"));
            prop_assert!(FIELD_TAGS.iter().all(|key| converted.tags.contains_key(*key)));
            let known = EventType::try_from(envelope.event_type).is_ok();
            prop_assert_eq!(converted.message.is_some(), known);
        }
    }

    #[test]
    fn a_v1_envelope_has_the_one_event_it_announces(envelope in any_v2()) {
        for converted in to_v1(envelope) {
            prop_assert_eq!(events(&converted), [converted.event_type()]);
        }
    }

    #[test]
    fn a_v1_envelope_has_no_tag_that_is_a_field(envelope in any_v2()) {
        for converted in to_v1(envelope) {
            prop_assert_eq!(without_fields(converted.tags.clone()), converted.tags);
        }
    }

    #[test]
    fn every_metric_is_a_value_or_part_of_a_container(envelope in any_v2()) {
        let count = expected_count(&envelope);
        let converted = to_v1(envelope);
        let container =
            converted.iter().any(|envelope| envelope.event_type() == EventType::ContainerMetric);
        prop_assert_eq!(converted.len(), if container { 1 } else { count });
        prop_assert!(!container || count >= 5);
    }

    #[test]
    fn preferred_tags_of_a_counter_are_kept(mut envelope in any_v2()) {
        envelope.deprecated_tags.clear();
        envelope.message = Some(Message::Counter(v2::Counter::default()));
        let mut expected = without_fields(envelope.tags.clone());
        let ids = [("source_id", &envelope.source_id), ("instance_id", &envelope.instance_id)];
        for (key, id) in ids.into_iter().filter(|(_, id)| !id.is_empty()) {
            expected.insert(key.to_owned(), id.clone());
        }
        prop_assert_eq!(&to_v1(envelope)[0].tags, &expected);
    }
}
