//! A message as the envelope that upstream's syslog server makes of it.

use crate::message::{Element, Message};
use crate::number::{float, signed, unsigned};
use hydrant_proto::v2::envelope::Message as Said;
use hydrant_proto::v2::{Counter, Envelope, Event, Gauge, GaugeValue, Log, Timer, log};

/// Facility user, severity error: the one PRI that says that a line was written to stderr.
const PRIORITY_ERR: u8 = 11;

/// Why a message is no envelope. Its connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// PROCID, which names the instance, is nil.
    #[error("PROCID is nil")]
    ProcId,
    /// APP-NAME, which names the source, is nil.
    #[error("APP-NAME is nil")]
    AppName,
    /// TIMESTAMP is nil, or nanoseconds since 1970 do not reach it.
    #[error("TIMESTAMP is nil or beyond 64 bits of nanoseconds")]
    Timestamp,
    /// The id of an element begins as none of those that envelopes are made of.
    #[error("an element is neither counter, gauge, timer, event nor tags")]
    Element,
    /// A number is missing or none, or a gauge has no unit.
    #[error("an element's parameter is missing or not what it should be")]
    Parameter,
    /// There is neither a metric nor a text.
    #[error("there is neither a metric nor a text")]
    Nothing,
}

/// Makes the envelope. White space around a log's text is left out if `trims`, else one line feed at
/// its end.
///
/// Of several metrics the last one counts. Of tags with the same name, too.
///
/// # Errors
/// What is missing.
pub fn envelope(message: &Message<'_>, trims: bool) -> Result<Envelope, Refused> {
    let proc_id = message.proc_id.ok_or(Refused::ProcId)?;
    let source_id = message.app_name.ok_or(Refused::AppName)?;
    let timestamp = message
        .timestamp
        .and_then(|nanos| i64::try_from(nanos).ok());
    let mut envelope = Envelope {
        timestamp: timestamp.ok_or(Refused::Timestamp)?,
        source_id: source_id.to_owned(),
        instance_id: instance(proc_id).to_owned(),
        ..Envelope::default()
    };
    for element in &message.elements {
        add(element, &mut envelope)?;
    }
    if envelope.message.is_none() {
        envelope.message = Some(log(message, trims)?);
    }
    Ok(envelope)
}

/// `2` of `[APP/PROC/WEB/2]`.
fn instance(proc_id: &str) -> &str {
    let inner = proc_id.trim_matches(['[', ']']);
    inner.rsplit_once('/').map_or(inner, |(_, last)| last)
}

fn add(element: &Element<'_>, envelope: &mut Envelope) -> Result<(), Refused> {
    let is = |kind| element.id.starts_with(kind);
    let name = || element.get("name").unwrap_or_default().to_owned();
    let text = |name| element.get(name).unwrap_or_default().to_owned();
    let said = if is("counter") {
        Said::Counter(Counter {
            name: name(),
            delta: number(element, "delta", unsigned)?,
            total: number(element, "total", unsigned)?,
        })
    } else if is("gauge") {
        let unit = element.get("unit").ok_or(Refused::Parameter)?.to_owned();
        let value = number(element, "value", float)?;
        let metrics = [(name(), GaugeValue { unit, value })].into();
        Said::Gauge(Gauge { metrics })
    } else if is("event") {
        Said::Event(Event {
            title: text("title"),
            body: text("body"),
        })
    } else if is("timer") {
        Said::Timer(Timer {
            name: name(),
            start: number(element, "start", signed)?,
            stop: number(element, "stop", signed)?,
        })
    } else if is("tags") {
        let params = element.params.iter();
        let tags = params.map(|(name, value)| ((*name).to_owned(), value.clone().into_owned()));
        envelope.tags.extend(tags);
        return Ok(());
    } else {
        return Err(Refused::Element);
    };
    envelope.message = Some(said);
    Ok(())
}

fn number<N>(
    element: &Element<'_>,
    name: &str,
    read: impl Fn(&str) -> Option<N>,
) -> Result<N, Refused> {
    element.get(name).and_then(read).ok_or(Refused::Parameter)
}

fn log(message: &Message<'_>, trims: bool) -> Result<Said, Refused> {
    if message.text.is_empty() {
        return Err(Refused::Nothing);
    }
    let payload = match trims {
        true => trimmed(message.text),
        false => message.text.strip_suffix(b"\n").unwrap_or(message.text),
    };
    let kind = match message.priority {
        PRIORITY_ERR => log::Type::Err,
        _ => log::Type::Out,
    };
    Ok(Said::Log(Log {
        payload: payload.to_vec().into(),
        r#type: kind.into(),
    }))
}

/// Without Unicode's white space at both ends, as far as they are UTF-8.
fn trimmed(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    let is_plain = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_graphic);
    if is_plain(text.first()) && is_plain(text.last()) {
        return text;
    }
    let first = text.utf8_chunks().next();
    let left_out = first.map_or(0, |first| {
        let valid = first.valid();
        valid.len() - valid.trim_start().len()
    });
    let text = &text[left_out..];
    let last = text
        .utf8_chunks()
        .last()
        .filter(|last| last.invalid().is_empty());
    let left_out = last.map_or(0, |last| {
        let valid = last.valid();
        valid.len() - valid.trim_end().len()
    });
    &text[..text.len() - left_out]
}

#[cfg(test)]
mod tests;
