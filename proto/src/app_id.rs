//! Which application a v1 subscriber has to ask for to get an envelope.

use std::borrow::Cow;

use crate::v1::envelope::EventType;
use crate::{uuid, v1};

/// What everything that belongs to no application is filed under.
const SYSTEM: &str = "system";

/// The application id that a v1 `Filter.appID` is compared with (upstream: Doppler's message
/// router).
///
/// That of a log message or a container metric as it stands, possibly empty; that of an HTTP
/// request as UUID text; `system` for a request without one and for every other type.
pub fn v1_app_id(envelope: &v1::Envelope) -> Cow<'_, str> {
    match EventType::try_from(envelope.event_type) {
        Ok(EventType::LogMessage) => Cow::Borrowed(log_app_id(envelope)),
        Ok(EventType::ContainerMetric) => Cow::Borrowed(container_app_id(envelope)),
        Ok(EventType::HttpStartStop) => request_app_id(envelope),
        _ => Cow::Borrowed(SYSTEM),
    }
}

fn log_app_id(envelope: &v1::Envelope) -> &str {
    envelope
        .log_message
        .as_ref()
        .map_or("", v1::LogMessage::app_id)
}

fn container_app_id(envelope: &v1::Envelope) -> &str {
    envelope
        .container_metric
        .as_ref()
        .map_or("", |metric| &metric.application_id)
}

fn request_app_id(envelope: &v1::Envelope) -> Cow<'_, str> {
    match envelope
        .http_start_stop
        .as_ref()
        .and_then(|request| request.application_id)
    {
        Some(id) => Cow::Owned(uuid::print(id)),
        None => Cow::Borrowed(SYSTEM),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(event_type: EventType) -> v1::Envelope {
        v1::Envelope {
            event_type: event_type.into(),
            ..Default::default()
        }
    }

    fn log(app_id: Option<&str>) -> v1::Envelope {
        let app_id = app_id.map(str::to_owned);
        v1::Envelope {
            log_message: Some(v1::LogMessage {
                app_id,
                ..Default::default()
            }),
            ..envelope(EventType::LogMessage)
        }
    }

    fn request(application_id: Option<v1::Uuid>) -> v1::Envelope {
        v1::Envelope {
            http_start_stop: Some(v1::HttpStartStop {
                application_id,
                ..Default::default()
            }),
            ..envelope(EventType::HttpStartStop)
        }
    }

    #[test]
    fn a_log_message_belongs_to_its_app_even_if_unnamed() {
        assert_eq!(v1_app_id(&log(Some("app"))), "app");
        assert_eq!(v1_app_id(&log(None)), "");
        assert_eq!(v1_app_id(&envelope(EventType::LogMessage)), "");
    }

    #[test]
    fn a_container_metric_belongs_to_its_app() {
        let metric = v1::ContainerMetric {
            application_id: "app".into(),
            ..Default::default()
        };
        let named = v1::Envelope {
            container_metric: Some(metric),
            ..envelope(EventType::ContainerMetric)
        };
        assert_eq!(v1_app_id(&named), "app");
        assert_eq!(v1_app_id(&envelope(EventType::ContainerMetric)), "");
    }

    #[test]
    fn a_request_belongs_to_its_app_or_to_the_system() {
        let id = uuid::parse("f47ac10b-58cc-4372-a567-0e02b2c3d479");
        assert_eq!(
            v1_app_id(&request(id)),
            "f47ac10b-58cc-4372-a567-0e02b2c3d479"
        );
        assert_eq!(v1_app_id(&request(None)), "system");
        assert_eq!(v1_app_id(&envelope(EventType::HttpStartStop)), "system");
    }

    #[test]
    fn the_event_type_decides_not_what_else_is_set() {
        let stray = v1::Envelope {
            event_type: EventType::CounterEvent.into(),
            ..log(Some("app"))
        };
        assert_eq!(v1_app_id(&stray), "system");
    }

    #[test]
    fn everything_else_is_the_systems() {
        for event_type in [
            EventType::ValueMetric,
            EventType::CounterEvent,
            EventType::Error,
        ] {
            assert_eq!(v1_app_id(&envelope(event_type)), "system");
        }
        assert_eq!(
            v1_app_id(&v1::Envelope {
                event_type: 99,
                ..Default::default()
            }),
            "system"
        );
    }
}
