//! What is printed of what comes.

use super::arguments::{Kind, ShowArguments};
use super::envelope;
use hydrant_proto::v1::log_message::MessageType;
use hydrant_proto::v1::{Envelope, LogMessage};

/// Lets envelopes pass, or not.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    kinds: Vec<Kind>,
    source_types: Vec<String>,
    instance: Option<String>,
    stream: Option<MessageType>,
}

impl Filter {
    pub(super) fn new(arguments: &ShowArguments) -> Self {
        let stream = match (arguments.out, arguments.err) {
            (true, _) => Some(MessageType::Out),
            (false, true) => Some(MessageType::Err),
            (false, false) => None,
        };
        Self {
            kinds: arguments.types.clone(),
            source_types: arguments.source_type.clone(),
            instance: arguments.instance.map(|index| index.to_string()),
            stream,
        }
    }

    /// Whether everything passes.
    pub(super) const fn is_open(&self) -> bool {
        self.kinds.is_empty()
            && self.source_types.is_empty()
            && self.instance.is_none()
            && self.stream.is_none()
    }

    /// Whether the envelope is to be printed: it has to pass every filter there is.
    pub(super) fn passes(&self, envelope: &Envelope) -> bool {
        self.passes_kind(envelope)
            && self.passes_instance(envelope)
            && self.passes_log(envelope.log_message.as_ref())
    }

    fn passes_kind(&self, envelope: &Envelope) -> bool {
        let is_among = |kind| self.kinds.contains(&kind);
        self.kinds.is_empty() || envelope::kind(envelope).is_some_and(is_among)
    }

    fn passes_instance(&self, envelope: &Envelope) -> bool {
        let Some(instance) = self.instance.as_deref() else {
            return true;
        };
        envelope::instance(envelope).is_some_and(|id| id == instance)
    }

    fn passes_log(&self, log: Option<&LogMessage>) -> bool {
        if self.source_types.is_empty() && self.stream.is_none() {
            return true;
        }
        let Some(log) = log else { return false };
        let is_of_stream = self
            .stream
            .is_none_or(|stream| log.message_type() == stream);
        is_of_stream && self.passes_source(log.source_type.as_deref().unwrap_or_default())
    }

    fn passes_source(&self, source: &str) -> bool {
        self.source_types.is_empty() || self.source_types.iter().any(|of| is_or_below(source, of))
    }
}

/// Whether `source` is `of` or a part of it, such as `APP/PROC/WEB` of `APP`; in either case, as
/// `App` was `APP` once.
fn is_or_below(source: &str, of: &str) -> bool {
    let Some((start, rest)) = source.split_at_checked(of.len()) else {
        return false;
    };
    start.eq_ignore_ascii_case(of) && (rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_proto::v1::{ContainerMetric, CounterEvent};

    fn log(source_type: &str, instance: &str, stream: MessageType) -> Envelope {
        Envelope {
            log_message: Some(LogMessage {
                message_type: stream.into(),
                source_type: Some(source_type.into()),
                source_instance: Some(instance.into()),
                ..LogMessage::default()
            }),
            ..Envelope::default()
        }
    }

    fn counter() -> Envelope {
        Envelope {
            counter_event: Some(CounterEvent::default()),
            ..Envelope::default()
        }
    }

    fn container(instance_index: i32) -> Envelope {
        let metric = ContainerMetric {
            instance_index,
            ..ContainerMetric::default()
        };
        Envelope {
            container_metric: Some(metric),
            ..Envelope::default()
        }
    }

    fn filter(change: impl FnOnce(&mut ShowArguments)) -> Filter {
        let mut arguments = ShowArguments::default();
        change(&mut arguments);
        Filter::new(&arguments)
    }

    #[test]
    fn without_a_filter_everything_passes() {
        let filter = filter(|_| ());
        assert!(filter.is_open());
        for envelope in [counter(), container(0), Envelope::default()] {
            assert!(filter.passes(&envelope));
        }
    }

    #[test]
    fn types_are_any_of_those_named() {
        let filter = filter(|of| of.types = vec![Kind::Counter, Kind::Container]);
        assert!(filter.passes(&counter()) && filter.passes(&container(1)));
        assert!(!filter.passes(&log("APP", "0", MessageType::Out)));
        assert!(!filter.passes(&Envelope::default()));
    }

    #[test]
    fn a_source_type_includes_its_parts_and_nothing_else() {
        let filter = filter(|of| of.source_type = vec!["app".into(), "RTR".into()]);
        for (source, passes) in [
            ("APP", true),
            ("App", true),
            ("APP/PROC/WEB", true),
            ("RTR", true),
            ("APPLE", false),
            ("API", false),
            ("äpp", false),
            ("", false),
        ] {
            let envelope = log(source, "0", MessageType::Out);
            assert_eq!(filter.passes(&envelope), passes, "{source}");
        }
        assert!(!filter.passes(&counter()));
    }

    #[test]
    fn instances_are_of_logs_and_metrics() {
        let filter = filter(|of| of.instance = Some(1));
        assert!(filter.passes(&log("APP", "1", MessageType::Out)));
        assert!(!filter.passes(&log("APP", "11", MessageType::Out)));
        assert!(filter.passes(&container(1)) && !filter.passes(&container(0)));
        let mut envelope = counter();
        assert!(!filter.passes(&envelope));
        envelope.tags.insert("instance_id".into(), "1".into());
        assert!(filter.passes(&envelope));
    }

    #[test]
    fn streams_are_of_logs() {
        let err = filter(|of| of.err = true);
        let out = filter(|of| of.out = true);
        let line = log("APP", "0", MessageType::Err);
        assert!(err.passes(&line) && !out.passes(&line));
        assert!(!err.passes(&counter()) && !out.passes(&counter()));
    }
}
