//! Envelopes as lines for people: logs as `cf logs` prints them, the rest in one line each.

use anstyle::{AnsiColor, Color, Style};
use hydrant_proto::uuid;
use hydrant_proto::v1::envelope::EventType;
use hydrant_proto::v1::log_message::MessageType;
use hydrant_proto::v1::{Envelope, LogMessage};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::{Display, Write};

/// The width of `2006-01-02T15:04:05.00-0700  [App/0]  `, to which `cf logs` pads what it puts in
/// front of a message.
const HEADER_WIDTH: usize = 39;

/// How lines look.
#[derive(Clone, Debug)]
pub struct Lines {
    zone: TimeZone,
    is_colored: bool,
}

impl Lines {
    /// Times in the reader's time zone; colours for a terminal only.
    pub fn new(is_colored: bool) -> Self {
        Self {
            zone: TimeZone::system(),
            is_colored,
        }
    }

    /// The envelope as one line, or several for a log of several; each ends with a line feed.
    pub fn of(&self, envelope: &Envelope) -> String {
        match &envelope.log_message {
            Some(log) => self.log(log),
            None => self.other(envelope),
        }
    }

    fn log(&self, log: &LogMessage) -> String {
        let source = source(log);
        let header = format!("{} [{source}]", self.time(log.timestamp));
        let padding = padding(&header);
        let is_error = log.message_type == MessageType::Err as i32;
        let stream = if is_error { "ERR" } else { "OUT" };
        let indent = format!(
            "\n{}    ",
            " ".repeat(HEADER_WIDTH.max(header.chars().count() + 1))
        );
        let message = String::from_utf8_lossy(&log.message);
        let message = message
            .trim_end_matches(['\n', '\r'])
            .replace('\n', &indent);
        let header_style = color(if is_app(&source) {
            AnsiColor::Yellow
        } else {
            AnsiColor::Cyan
        });
        let header = self.styled(header_style.bold(), header);
        let message = match is_error {
            true => self.styled(color(AnsiColor::Red), format!("{stream} {message}")),
            false => format!("{stream} {message}"),
        };
        format!("{header}{padding}{message}\n")
    }

    fn other(&self, envelope: &Envelope) -> String {
        let kind =
            EventType::try_from(envelope.event_type).map_or("Unknown", |kind| kind.as_str_name());
        let header = format!(
            "{} [{}]",
            self.time(envelope.timestamp.unwrap_or(0)),
            envelope.origin
        );
        let padding = padding(&header);
        let header = self.styled(color(AnsiColor::Cyan).bold(), header);
        format!("{header}{padding}{kind} {}\n", details(envelope))
    }

    fn time(&self, nanos: i64) -> String {
        let time = Timestamp::from_nanosecond(nanos.into()).unwrap_or(Timestamp::UNIX_EPOCH);
        time.to_zoned(self.zone.clone())
            .strftime("%Y-%m-%dT%H:%M:%S%.2f%z")
            .to_string()
    }

    fn styled(&self, style: Style, text: impl Display) -> String {
        match self.is_colored {
            true => format!("{style}{text}{style:#}"),
            false => text.to_string(),
        }
    }
}

/// From the header's end to the message: at least one space.
fn padding(header: &str) -> String {
    " ".repeat(HEADER_WIDTH.saturating_sub(header.chars().count()).max(1))
}

/// `App/0` for an app's instance; else the source's name alone, as `cf logs` has it.
fn source(log: &LogMessage) -> String {
    let name = log.source_type.as_deref().unwrap_or("");
    match log.source_instance.as_deref() {
        Some(instance) if is_app(name) && !instance.is_empty() => format!("{name}/{instance}"),
        _ => name.to_owned(),
    }
}

fn is_app(source: &str) -> bool {
    source
        .get(..3)
        .is_some_and(|start| start.eq_ignore_ascii_case("app"))
}

fn color(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(color)))
}

/// What the envelope says, and its tags, as `name=value`.
fn details(envelope: &Envelope) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    describe(envelope, &mut text).ok();
    for (name, value) in &envelope.tags {
        write!(text, " {name}={value:?}").ok();
    }
    text
}

fn describe(envelope: &Envelope, text: &mut String) -> std::fmt::Result {
    if let Some(value) = &envelope.value_metric {
        write!(text, "{}={} {}", value.name, value.value, value.unit)?;
    }
    if let Some(counter) = &envelope.counter_event {
        write!(text, "{}+={}", counter.name, counter.delta)?;
        if let Some(total) = counter.total {
            write!(text, " total={total}")?;
        }
    }
    if let Some(metric) = &envelope.container_metric {
        let (app, index) = (&metric.application_id, metric.instance_index);
        let (cpu, memory) = (metric.cpu_percentage, metric.memory_bytes);
        write!(
            text,
            "{app}/{index} cpu={cpu:.2}% memory={memory} disk={}",
            metric.disk_bytes
        )?;
    }
    if let Some(error) = &envelope.error {
        write!(text, "{} {}: {:?}", error.source, error.code, error.message)?;
    }
    if let Some(http) = &envelope.http_start_stop {
        let nanos = http.stop_timestamp.saturating_sub(http.start_timestamp);
        let method = hydrant_proto::v1::Method::try_from(http.method)
            .map_or("?", |method| method.as_str_name());
        write!(
            text,
            "{method} {:?} {} {}µs",
            http.uri,
            http.status_code,
            nanos / 1000
        )?;
        if let Some(app) = http.application_id {
            write!(text, " app={}", uuid::print(app))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(is_colored: bool) -> Lines {
        Lines {
            zone: TimeZone::UTC,
            is_colored,
        }
    }

    fn log(message: &str, source_type: &str, message_type: MessageType) -> Envelope {
        Envelope {
            log_message: Some(LogMessage {
                message: message.to_owned().into(),
                message_type: message_type.into(),
                timestamp: 1_383_147_578_860_054_000,
                app_id: Some("a".into()),
                source_type: Some(source_type.into()),
                source_instance: Some("0".into()),
            }),
            ..Envelope::default()
        }
    }

    #[test]
    fn a_log_looks_as_in_cf_logs() {
        let text = lines(false).of(&log("Hello there!", "App", MessageType::Out));
        assert_eq!(
            text,
            "2013-10-30T15:39:38.86+0000 [App/0]    OUT Hello there!\n"
        );
        assert_eq!(text.find("OUT"), Some(HEADER_WIDTH));
        let text = lines(false).of(&log("oops\n", "RTR", MessageType::Err));
        assert_eq!(text, "2013-10-30T15:39:38.86+0000 [RTR]      ERR oops\n");
    }

    #[test]
    fn further_lines_are_indented_and_long_sources_kept_whole() {
        let text = lines(false).of(&log("a\nb\n", "App", MessageType::Out));
        let second = text.lines().nth(1).unwrap();
        assert_eq!(second, format!("{}    b", " ".repeat(HEADER_WIDTH)));
        let text = lines(false).of(&log("x", "APP/PROC/WEB/SIDECAR", MessageType::Out));
        assert!(text.contains("[APP/PROC/WEB/SIDECAR/0] OUT x"), "{text}");
    }

    #[test]
    fn colours_are_for_terminals() {
        let text = lines(true).of(&log("oops", "App", MessageType::Err));
        assert!(text.contains("\u{1b}[31mERR oops"), "{text:?}");
        assert!(
            !lines(false)
                .of(&log("oops", "App", MessageType::Err))
                .contains('\u{1b}')
        );
    }

    #[test]
    fn every_other_kind_says_what_it_is() {
        let mut envelope = Envelope {
            origin: "rep".into(),
            ..Envelope::default()
        };
        envelope.event_type = EventType::ValueMetric.into();
        envelope.value_metric = Some(hydrant_proto::v1::ValueMetric {
            name: "load".into(),
            value: 1.5,
            unit: "x".into(),
        });
        envelope.tags.insert("a".into(), "b c".into());
        let text = lines(false).of(&envelope);
        assert!(
            text.contains("[rep]") && text.contains("ValueMetric load=1.5 x a=\"b c\""),
            "{text}"
        );
    }
}
