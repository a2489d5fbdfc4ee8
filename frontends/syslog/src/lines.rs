//! A record's lines, written once for all drains that write them alike.

use crate::format::{Format, FormatLoss};
use crate::view::View;
use std::ops::Range;

/// The lines of one record, as framed; none for a gauge without metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lines<'l> {
    /// One after the other.
    pub(crate) bytes: &'l [u8],
    /// How many.
    pub(crate) count: u32,
}

/// Where lines are, and how many.
type Place = (Range<usize>, u32);

/// What the record at hand became in each of the formats that wanted it.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// The first drain of each format, by the number that it was asked for with.
    firsts: Vec<(usize, Result<Place, FormatLoss>)>,
    bytes: Vec<u8>,
}

impl Written {
    /// Forgets the record at hand.
    pub(crate) fn next_record(&mut self) {
        self.firsts.clear();
        self.bytes.clear();
    }

    /// The lines of the record at hand, which is `view`, for the drain of this number; `format`
    /// gives each drain's.
    pub(crate) fn lines<'f>(
        &mut self,
        drain: usize,
        format: impl Fn(usize) -> &'f Format,
        view: &View<'_>,
    ) -> Result<Lines<'_>, FormatLoss> {
        let own = format(drain);
        let mut firsts = self.firsts.iter();
        let place = firsts.position(|(first, _)| format(*first) == own);
        let place = place.unwrap_or_else(|| {
            let start = self.bytes.len();
            let written = own.write(view, &mut self.bytes);
            let written = written.map(|count| (start..self.bytes.len(), count));
            self.firsts.push((drain, written));
            self.firsts.len() - 1
        });
        match &self.firsts[place].1 {
            Ok((range, count)) => Ok(Lines {
                bytes: &self.bytes[range.clone()],
                count: *count,
            }),
            Err(loss) => Err(*loss),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_bindings::Framing;
    use hydrant_proto::v2::envelope::Message;
    use hydrant_proto::v2::{Envelope, Gauge, GaugeValue, Log};

    fn formats() -> [Format; 4] {
        [("", true), ("", false), ("h", true), ("", true)]
            .map(|(hostname, metadata)| Format::new(hostname, metadata, Framing::default()))
    }

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
    fn equal_formats_share_their_lines() {
        let formats = formats();
        let mut written = Written::default();
        let envelope = gauge(&["a", "b"]);
        let view = View::of(&envelope);
        let mut lines = |drain| {
            let lines = written.lines(drain, |drain| &formats[drain], &view);
            let lines = lines.unwrap();
            (lines.bytes.as_ptr(), lines.bytes.to_vec(), lines.count)
        };
        let all = [0, 1, 2, 3].map(&mut lines);
        // The memory may have moved meanwhile, the places have not.
        assert_eq!(lines(0).0, lines(3).0);
        assert_ne!(all[0].1, all[2].1);
        assert_eq!(all[0].1, all[3].1);
        assert_eq!(all.map(|(_, _, count)| count), [2; 4]);
        assert_eq!(written.firsts.len(), 3);
    }

    #[test]
    fn each_record_is_written_anew_and_a_loss_is_kept_too() {
        let formats = formats();
        let mut written = Written::default();
        let envelope = Envelope {
            source_id: "not printable".to_owned(),
            message: Some(Message::Log(Log::default())),
            ..Default::default()
        };
        let count = |written: &mut Written, envelope: &Envelope| {
            let lines = written.lines(0, |drain| &formats[drain], &View::of(envelope));
            lines.map(|lines| lines.count)
        };
        for _ in 0..2 {
            let lost = count(&mut written, &envelope);
            assert_eq!(lost, Err(FormatLoss::AppNameInvalid));
        }
        written.next_record();
        assert_eq!(count(&mut written, &gauge(&[])), Ok(0));
    }
}
