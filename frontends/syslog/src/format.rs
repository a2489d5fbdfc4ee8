//! Envelopes as RFC 5424 lines, octet-counted (RFC 6587 §3.4.1), byte for byte as upstream's
//! syslog agent writes them.
//!
//! A log is one line; so is a counter, a timer or an event; a gauge is one line for each of its
//! metrics, in the order of their names. In one thing we differ: a line that RFC 5424 cannot carry
//! is a loss with a name, where upstream holds the drain up for two minutes and then forgets it.

mod bytes;
pub(crate) mod frames;
mod header;
mod number;
mod structured_data;
mod timestamp;

use std::ops::Range;

use crate::view::{Said, View, Views};
use hydrant_bindings::Framing;
use hydrant_engine::record::Record;
use hydrant_feed::wire::fields::{Event, Log, Metric};

use self::number::Decimal;
use self::structured_data::Element;

/// Facility user, severity informational.
const PRI_INFO: &[u8] = b"<14>1 ";
/// Facility user, severity error.
const PRI_ERROR: &[u8] = b"<11>1 ";
/// What upstream sends for a log of a type that it does not know; RFC 5424 has no such PRI.
const PRI_UNKNOWN: &[u8] = b"<-1>1 ";
/// Room for the octet count of most lines: they are written where they belong at once, and only
/// others are shifted when their length is known.
const COUNT_GAP: &[u8] = b"000";
const COUNTS_OF_THE_GAP: Range<usize> = 100..1000;

/// The numbers of a log's types.
const OUT: u64 = 0;
const ERR: u64 = 1;

/// How the lines of one drain are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// `None` when the drain's hostname cannot be a HOSTNAME.
    hostname: Option<Vec<u8>>,
    metadata: bool,
    framing: Framing,
}

/// Why an envelope gave no lines. A loss concerns the whole envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum FormatLoss {
    /// The drain's hostname, which is used when no tag names the app, is not printable ASCII.
    #[error("the drain's hostname is not printable ASCII")]
    HostnameInvalid,
    /// The source id is not printable ASCII.
    #[error("the source id is not printable ASCII")]
    AppNameInvalid,
    /// The instance id is not printable ASCII.
    #[error("the instance id is not printable ASCII")]
    ProcIdInvalid,
    /// The name of a tag has a byte that is not printable ASCII or is one of `=`, `]`, `"`.
    #[error("the name of a tag cannot be the name of a parameter")]
    ParamNameInvalid,
    /// The envelope has no message, or one of a kind that this version does not know.
    #[error("the envelope has no message")]
    NoMessage,
}

impl FormatLoss {
    /// Every loss, in the order of their declaration.
    pub const ALL: [Self; 5] = [
        Self::HostnameInvalid,
        Self::AppNameInvalid,
        Self::ProcIdInvalid,
        Self::ParamNameInvalid,
        Self::NoMessage,
    ];

    /// The name that it is counted by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HostnameInvalid => "hostname_invalid",
            Self::AppNameInvalid => "app_name_invalid",
            Self::ProcIdInvalid => "proc_id_invalid",
            Self::ParamNameInvalid => "param_name_invalid",
            Self::NoMessage => "no_message",
        }
    }
}

impl Format {
    /// Lines under `hostname` (255 bytes of it; empty is `-`) unless tags name the app, and with
    /// the element of all tags if `metadata`.
    #[must_use]
    pub fn new(hostname: &str, metadata: bool, framing: Framing) -> Self {
        Self {
            hostname: header::drain_hostname(hostname),
            metadata,
            framing,
        }
    }

    /// Appends the lines of an envelope to `out`, and gives how many they are: one, or for a gauge
    /// as many as it has metrics, none included. Each has its octet count in front (`LEN SP MSG`,
    /// LEN counts MSG and its line feed), or has no line feed but its last.
    ///
    /// # Errors
    /// `FormatLoss` when RFC 5424 cannot carry a line of it; `out` is then as it was.
    pub(crate) fn write(&self, view: &View<'_>, out: &mut Vec<u8>) -> Result<u32, FormatLoss> {
        let start = out.len();
        let written = self.write_lines(view, out);
        match (written, self.framing) {
            (Err(_), _) => out.truncate(start),
            (Ok(_), Framing::OctetCounting) => {}
            (Ok(_), Framing::NonTransparent) => frames::make_non_transparent(start, out),
        }
        written
    }

    /// As `write`, from a record. `None` if its bytes cannot be read, which the engine
    /// has excluded.
    pub fn write_record(
        &self,
        views: &mut Views,
        record: &Record<'_>,
        out: &mut Vec<u8>,
    ) -> Option<Result<u32, FormatLoss>> {
        views.show(record, |view| self.write(view, out))
    }

    fn write_lines(&self, view: &View<'_>, out: &mut Vec<u8>) -> Result<u32, FormatLoss> {
        match view.message.as_ref().ok_or(FormatLoss::NoMessage)? {
            Said::Log(log) => self.write_log(view, log, out)?,
            Said::Gauge => return self.write_gauge(view, out),
            Said::Counter { name, delta, total } => {
                let write = |line: &mut Vec<u8>| write_counter(name, *total, *delta, line);
                self.write_metric(view, write, out)?;
            }
            Said::Timer { name, start, stop } => {
                let write = |line: &mut Vec<u8>| write_timer(name, *start, *stop, line);
                self.write_metric(view, write, out)?;
            }
            Said::Event(event) => {
                self.write_metric(view, |line| write_event(event, line), out)?;
            }
        }
        Ok(1)
    }

    fn write_log(
        &self,
        view: &View<'_>,
        log: &Log<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatLoss> {
        let gap = open_line(out);
        out.extend_from_slice(priority(log));
        self.write_origin(view, out)?;
        let source_type = view.names.source_type.unwrap_or_default();
        header::write_log_proc_id(source_type, view.instance_id, out)?;
        out.extend_from_slice(b" - ");
        if self.metadata && !view.tags.is_empty() {
            structured_data::write_tags(&view.tags, out)?;
        } else {
            out.push(b'-');
        }
        out.push(b' ');
        write_payload(log.payload, out);
        close_line(gap, out);
        Ok(())
    }

    /// The first metric's line is written whole; the others' differ from it in one element.
    fn write_gauge(&self, view: &View<'_>, out: &mut Vec<u8>) -> Result<u32, FormatLoss> {
        let mut metrics = view.metrics.iter();
        let Some((name, metric)) = metrics.next() else {
            return Ok(0);
        };
        let same = self.write_metric(view, |line| write_value(name, metric, line), out)?;
        let mut count = 1;
        for (name, metric) in metrics {
            count += 1;
            let gap = open_line(out);
            out.extend_from_within(same.head.clone());
            write_value(name, metric, out);
            out.extend_from_within(same.tail.clone());
            close_line(gap, out);
        }
        Ok(count)
    }

    fn write_metric(
        &self,
        view: &View<'_>,
        write_element: impl FnOnce(&mut Vec<u8>),
        out: &mut Vec<u8>,
    ) -> Result<Surroundings, FormatLoss> {
        let gap = open_line(out);
        let head_start = out.len();
        out.extend_from_slice(PRI_INFO);
        self.write_origin(view, out)?;
        header::write_metric_proc_id(view.instance_id, out)?;
        out.extend_from_slice(b" - ");
        let head_bytes = out.len() - head_start;
        write_element(out);
        let tail_start = out.len();
        if self.metadata {
            structured_data::write_tags(&view.tags, out)?;
        }
        out.extend_from_slice(b" \n");
        let tail_bytes = out.len() - tail_start;
        let line = close_line(gap, out);
        Ok(Surroundings {
            head: line.start..line.start + head_bytes,
            tail: line.end - tail_bytes..line.end,
        })
    }

    /// TIMESTAMP, HOSTNAME and APP-NAME, with a space after each.
    fn write_origin(&self, view: &View<'_>, out: &mut Vec<u8>) -> Result<(), FormatLoss> {
        timestamp::write(view.timestamp, out);
        out.push(b' ');
        if !header::write_hostname(&view.names, out) {
            let hostname = self
                .hostname
                .as_deref()
                .ok_or(FormatLoss::HostnameInvalid)?;
            out.extend_from_slice(hostname);
        }
        out.push(b' ');
        header::write_app_name(view.source_id, out)?;
        out.push(b' ');
        Ok(())
    }
}

/// Where the parts of a metric's line are that its own element is between.
struct Surroundings {
    head: Range<usize>,
    tail: Range<usize>,
}

/// Leaves a gap for an octet count, and gives where it is. What is appended from then on is the
/// line, until it is closed.
fn open_line(out: &mut Vec<u8>) -> Range<usize> {
    let gap = out.len()..out.len() + COUNT_GAP.len();
    out.extend_from_slice(COUNT_GAP);
    out.push(b' ');
    gap
}

/// Writes the line's octet count into its gap, and gives where the line is.
fn close_line(gap: Range<usize>, out: &mut Vec<u8>) -> Range<usize> {
    let octet_count = out.len() - gap.end - 1;
    if COUNTS_OF_THE_GAP.contains(&octet_count) {
        let mut rest = octet_count as u64;
        for digit in out[gap].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    } else {
        let digits = Decimal::of(octet_count as u64);
        out.splice(gap, digits.as_bytes().iter().copied());
    }
    out.len() - octet_count..out.len()
}

fn priority(log: &Log<'_>) -> &'static [u8] {
    match log.r#type & u64::from(u32::MAX) {
        OUT => PRI_INFO,
        ERR => PRI_ERROR,
        _ => PRI_UNKNOWN,
    }
}

/// MSG: the payload without NULs, and with a line feed at its end. Those within are kept: the
/// octet count says where a line ends.
fn write_payload(payload: &[u8], line: &mut Vec<u8>) {
    let start = line.len();
    if payload.contains(&0) {
        line.extend(payload.iter().copied().filter(|byte| *byte != 0));
    } else {
        line.extend_from_slice(payload);
    }
    if !line[start..].ends_with(b"\n") {
        line.push(b'\n');
    }
}

fn write_counter(name: &[u8], total: u64, delta: u64, line: &mut Vec<u8>) {
    Element::open("counter@47450", line)
        .text("name", name)
        .unsigned("total", total)
        .unsigned("delta", delta)
        .close();
}

fn write_value(name: &[u8], metric: Metric<'_>, line: &mut Vec<u8>) {
    Element::open("gauge@47450", line)
        .text("name", name)
        .float("value", metric.value)
        .text("unit", metric.unit)
        .close();
}

fn write_timer(name: &[u8], start: i64, stop: i64, line: &mut Vec<u8>) {
    Element::open("timer@47450", line)
        .text("name", name)
        .signed("start", start)
        .signed("stop", stop)
        .close();
}

fn write_event(event: &Event<'_>, line: &mut Vec<u8>) {
    Element::open("event@47450", line)
        .text("title", event.title)
        .text("body", event.body)
        .close();
}

#[cfg(test)]
impl Format {
    /// The lines of an envelope that is an object.
    pub(crate) fn write_envelope(
        &self,
        envelope: &hydrant_proto::v2::Envelope,
        out: &mut Vec<u8>,
    ) -> Result<u32, FormatLoss> {
        self.write(&View::of(envelope), out)
    }
}

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod rule_tests;
#[cfg(test)]
mod strict_parser;
