//! Questions that filters and JSON ask of an envelope alike.

use super::arguments::Kind;
use hydrant_proto::uuid;
use hydrant_proto::v1::Envelope;
use std::borrow::Cow;

/// The tag by which senders of the second generation say what a metric is about.
const SOURCE_ID: &str = "source_id";
/// And this one, of which instance.
const INSTANCE_ID: &str = "instance_id";

/// What is in it; nothing if that is none of the events we know.
pub(super) const fn kind(envelope: &Envelope) -> Option<Kind> {
    if envelope.log_message.is_some() {
        Some(Kind::Log)
    } else if envelope.counter_event.is_some() {
        Some(Kind::Counter)
    } else if envelope.value_metric.is_some() {
        Some(Kind::Value)
    } else if envelope.container_metric.is_some() {
        Some(Kind::Container)
    } else if envelope.http_start_stop.is_some() {
        Some(Kind::Http)
    } else if envelope.error.is_some() {
        Some(Kind::Error)
    } else {
        None
    }
}

/// When it was, in nanoseconds since 1970: what the log says goes before what the envelope says.
pub(super) fn timestamp_ns(envelope: &Envelope) -> i64 {
    match &envelope.log_message {
        Some(log) => log.timestamp,
        None => envelope.timestamp.unwrap_or(0),
    }
}

/// The app it is about, or what else its sender says it is about.
pub(super) fn source_id(envelope: &Envelope) -> Option<Cow<'_, str>> {
    let app = if let Some(log) = &envelope.log_message {
        log.app_id.as_deref().map(Cow::Borrowed)
    } else if let Some(metric) = &envelope.container_metric {
        Some(Cow::Borrowed(&*metric.application_id))
    } else if let Some(http) = &envelope.http_start_stop {
        http.application_id.map(|id| Cow::Owned(uuid::print(id)))
    } else {
        None
    };
    let tag = || envelope.tags.get(SOURCE_ID).map(|id| Cow::Borrowed(&**id));
    app.or_else(tag).filter(|id| !id.is_empty())
}

/// The app's instance.
pub(super) fn instance(envelope: &Envelope) -> Option<Cow<'_, str>> {
    let number = |index: i32| Cow::Owned(index.to_string());
    let instance = if let Some(log) = &envelope.log_message {
        log.source_instance.as_deref().map(Cow::Borrowed)
    } else if let Some(metric) = &envelope.container_metric {
        Some(number(metric.instance_index))
    } else if let Some(http) = &envelope.http_start_stop {
        http.instance_index.map(number)
    } else {
        None
    };
    let tag = || {
        envelope
            .tags
            .get(INSTANCE_ID)
            .map(|id| Cow::Borrowed(&**id))
    };
    instance.or_else(tag).filter(|id| !id.is_empty())
}
