//! A record's lines, written once for all drains that write them alike.

use crate::format::{Format, FormatLoss};
use bytes::Bytes;
use hydrant_proto::v2::Envelope;

/// The lines of one record in one format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    bytes: Bytes,
    count: usize,
}

/// Each line with its octet count; none for a gauge without metrics. They share their bytes, which
/// are those of one record.
impl Iterator for Lines {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.count = self.count.checked_sub(1)?;
        let line_bytes = match self.count {
            0 => self.bytes.len(),
            _ => first_line_bytes(&self.bytes),
        };
        Some(self.bytes.split_to(line_bytes))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for Lines {}

/// The distinct formats of all drains, and what the record at hand became in each.
#[derive(Debug, Default)]
pub(crate) struct Formats {
    known: Vec<(String, bool, Format)>,
    written: Vec<(usize, Result<Lines, FormatLoss>)>,
    scratch: Vec<u8>,
}

impl Formats {
    /// The index of the format with this hostname, with tags or without.
    pub(crate) fn index(&mut self, hostname: &str, metadata: bool) -> usize {
        let same = |(name, tags, _): &(String, bool, Format)| name == hostname && *tags == metadata;
        if let Some(index) = self.known.iter().position(same) {
            return index;
        }
        let format = Format::new(hostname, metadata);
        self.known.push((hostname.to_owned(), metadata, format));
        self.known.len() - 1
    }

    /// Forgets the record at hand.
    pub(crate) fn next_record(&mut self) {
        self.written.clear();
    }

    /// The lines of the record at hand, which is `envelope`, in the format of this index.
    pub(crate) fn lines(&mut self, index: usize, envelope: &Envelope) -> Result<Lines, FormatLoss> {
        let written = self.written.iter().find(|(format, _)| *format == index);
        if let Some((_, lines)) = written {
            return lines.clone();
        }
        let lines = self.write(index, envelope);
        self.written.push((index, lines.clone()));
        lines
    }

    fn write(&mut self, index: usize, envelope: &Envelope) -> Result<Lines, FormatLoss> {
        self.scratch.clear();
        let count = self.known[index].2.write(envelope, &mut self.scratch)?;
        // Bytes of their own for each record: one that waits keeps no other's alive, so that an
        // outbox is as large as it counts.
        let bytes = Bytes::copy_from_slice(&self.scratch);
        Ok(Lines { bytes, count })
    }
}

/// Bytes of the first line and its octet count, which we wrote: digits and a space.
fn first_line_bytes(lines: &[u8]) -> usize {
    let digits = lines.iter().take_while(|byte| byte.is_ascii_digit());
    let (digit_count, octet_count) = digits.fold((0, 0), |(count, number), digit| {
        (count + 1, number * 10 + usize::from(digit - b'0'))
    });
    digit_count + 1 + octet_count
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_proto::v2::envelope::Message;
    use hydrant_proto::v2::{Gauge, GaugeValue, Log};

    fn gauge(names: &[&str]) -> Envelope {
        let metric = |name: &&str| (String::from(*name), GaugeValue::default());
        Envelope {
            message: Some(Message::Gauge(Gauge {
                metrics: names.iter().map(metric).collect(),
            })),
            ..Default::default()
        }
    }

    #[test]
    fn a_gauge_falls_apart_into_its_lines() {
        let long = "l".repeat(2000);
        let envelope = gauge(&["a", &long, "z"]);
        let mut formats = Formats::default();
        let index = formats.index("h", true);
        let lines: Vec<_> = formats.lines(index, &envelope).unwrap().collect();
        let mut whole = Vec::new();
        let count = Format::new("h", true).write(&envelope, &mut whole).unwrap();
        assert_eq!((lines.len(), count), (3, 3));
        assert_eq!(lines.concat(), whole);
        for (line, name) in lines.iter().zip(["\"a\"", &long, "\"z\""]) {
            let text = std::str::from_utf8(line).unwrap();
            let (octets, rest) = text.split_once(' ').unwrap();
            assert_eq!(octets.parse(), Ok(rest.len()));
            assert!(rest.contains(name) && rest.ends_with('\n'));
        }
    }

    #[test]
    fn a_gauge_without_metrics_has_no_lines() {
        let mut formats = Formats::default();
        let index = formats.index("", true);
        let lines = formats.lines(index, &gauge(&[])).unwrap();
        assert_eq!(lines.len(), 0);
        assert_eq!(lines.last(), None);
    }

    #[test]
    fn equal_formats_are_one_and_share_the_bytes() {
        let mut formats = Formats::default();
        assert_eq!(formats.index("", true), 0);
        assert_eq!(formats.index("", false), 1);
        assert_eq!(formats.index("h", true), 2);
        assert_eq!(formats.index("", true), 0);
        let first = formats.lines(0, &gauge(&["a"])).unwrap();
        let again = formats.lines(0, &gauge(&["a"])).unwrap();
        assert_eq!(first.bytes.as_ptr(), again.bytes.as_ptr());
        let other = formats.lines(2, &gauge(&["a"])).unwrap();
        assert_ne!(first, other);
    }

    #[test]
    fn each_record_is_written_anew_and_a_loss_is_kept_too() {
        let mut formats = Formats::default();
        let index = formats.index("", true);
        let envelope = Envelope {
            source_id: "not printable".to_owned(),
            message: Some(Message::Log(Log::default())),
            ..Default::default()
        };
        for _ in 0..2 {
            let lost = formats.lines(index, &envelope);
            assert_eq!(lost, Err(FormatLoss::AppNameInvalid));
        }
        formats.next_record();
        assert_eq!(formats.lines(index, &gauge(&["a"])).unwrap().len(), 1);
    }
}
