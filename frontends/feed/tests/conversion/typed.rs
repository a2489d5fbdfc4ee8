//! Envelopes as the generated types write them.

use crate::strategies::{
    any_v1, any_v2, written_container, written_counter, written_error, written_log,
    written_request, written_value,
};
use crate::{is_right, messages, record};
use hydrant_feed::convert::{V1Form, v1_messages};
use hydrant_proto::convert::{SourceFallback, to_v2};
use hydrant_proto::v2;
use hydrant_proto::v2::envelope::Message;
use proptest::prelude::*;
use prost::Message as _;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_envelope(envelope in any_v2()) {
        prop_assert!(is_right(&mut V1Form::default(), &envelope.encode_to_vec()));
    }

    #[test]
    fn any_envelope_without_deprecated_tags(mut envelope in any_v2()) {
        envelope.deprecated_tags.clear();
        prop_assert!(is_right(&mut V1Form::default(), &envelope.encode_to_vec()));
    }

    #[test]
    fn any_envelope_that_was_v1(envelope in any_v1()) {
        let envelope = to_v2(envelope, SourceFallback::DeploymentJob);
        prop_assert!(is_right(&mut V1Form::default(), &envelope.encode_to_vec()));
    }

    #[test]
    fn an_envelope_that_was_v1_and_said_everything_where_it_belongs(
        envelope in prop_oneof![
            written_log(), written_request(), written_value(), written_counter(),
            written_error(), written_container(),
        ],
    ) {
        let envelope = to_v2(envelope, SourceFallback::Origin);
        prop_assert!(is_right(&mut V1Form::default(), &envelope.encode_to_vec()));
    }
}

proptest! {
    #[test]
    fn many_envelopes_through_one_form(envelopes in proptest::collection::vec(any_v2(), 0..20)) {
        let mut form = V1Form::default();
        for envelope in envelopes {
            prop_assert!(is_right(&mut form, &envelope.encode_to_vec()));
        }
    }
}

fn log_with_tags(tags: impl IntoIterator<Item = (String, String)>) -> Vec<u8> {
    let log = v2::Log {
        payload: "line".into(),
        r#type: 0,
    };
    let envelope = v2::Envelope {
        source_id: "app".into(),
        tags: tags.into_iter().collect(),
        message: Some(Message::Log(log)),
        ..Default::default()
    };
    envelope.encode_to_vec()
}

#[test]
fn more_tags_than_have_room() {
    let mut form = V1Form::default();
    for count in [1, 62, 63, 64, 65, 1000] {
        let tags = (0..count).map(|tag| (tag.to_string(), format!("value of {tag}")));
        let envelope = log_with_tags(tags);
        assert!(is_right(&mut form, &envelope), "{count}");
        assert_eq!(messages(&mut form, &record(&envelope).unwrap()).len(), 1);
    }
}

#[test]
fn texts_of_every_length() {
    let mut form = V1Form::default();
    for length in (0..300).chain(16_370..16_400) {
        let text = "x".repeat(length);
        let tags = ["ip", "a", "source_type"].map(|key| (key.to_owned(), text.clone()));
        let by_text = [(text.clone(), "v".to_owned())];
        assert!(is_right(&mut form, &log_with_tags(tags)), "{length}");
        assert!(is_right(&mut form, &log_with_tags(by_text)), "{length}");
    }
}

#[test]
fn one_record_alone() {
    let envelope = log_with_tags([("origin".to_owned(), "o".to_owned())]);
    let record = record(&envelope).unwrap();
    let mut alone = Vec::new();
    v1_messages(&record, |message| alone.push(message.to_vec()));
    assert_eq!(alone, messages(&mut V1Form::default(), &record));
    assert_eq!(alone.len(), 1);
}
