//! Envelopes with one thing wrong, each by the name of its loss.

use super::{Fate, POOL, Plan, Seal, Traffic};
use crate::random::pick;
use crate::wire;
use hydrant_engine::counters::Loss;
use hydrant_engine::record::Version;

/// Ends of an envelope that no reader of protobuf takes.
const BAD_ENDS: &[&[u8]] = &[
    &[0x80],                                                       // a key without an end
    &[0x00],                                                       // field 0
    &[0x0d, 0, 0, 0, 0],                                           // field 1 as fixed32
    &[0xa6, 0x06],                                                 // wire type 6
    &[0xa7, 0x06],                                                 // wire type 7
    &[0xa4, 0x06],                                                 // an end of no group
    &[0xa3, 0x06, 0xac, 0x06],                                     // an end of another group
    &[0xa3, 0x06],                                                 // a group without an end
    &[0xa2, 0x06, 0x02, 0x00],                                     // a length over the end
    &[0xa1, 0x06, 0, 0, 0, 0, 0, 0, 0],                            // a fixed64 of seven
    &[0xa5, 0x06, 0, 0, 0],                                        // a fixed32 of three
    &[0xa0, 0x06, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2], // a varint of 66 bits
    &[0xa2, 0x06, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], // a length of 2^64 - 1
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0x00],                   // a key of 36 bits
];

/// Text that is not UTF-8: a stray byte, overlong, a surrogate, beyond Unicode, cut short.
const BAD_TEXTS: &[&[u8]] = &[
    &[0xff],
    &[0xc0, 0x80],
    &[0xed, 0xa0, 0x80],
    &[0xf4, 0x90, 0x80, 0x80],
    &[0xc3],
    &[0xe2, 0x82],
    &[0xf0, 0x9f, 0x98],
];

impl Traffic {
    pub(super) fn spoilt(&mut self, version: Version) -> Plan {
        let losses: &[Loss] = match version {
            Version::V1 => &[Loss::Wire, Loss::Utf8, Loss::Required, Loss::Enum],
            Version::V2 => &[Loss::Wire, Loss::Utf8],
        };
        let loss = *pick(&mut self.random, losses);
        let base = self.base(version, loss);
        let mut plan = Plan::new(base, Seal::None, Fate::Lost(loss));
        plan.tail = match loss {
            Loss::Wire => pick(&mut self.random, BAD_ENDS).to_vec(),
            Loss::Utf8 => self.bad_text(version),
            Loss::Enum => self.bad_enum(),
            _ => Vec::new(),
        };
        plan
    }

    fn base(&mut self, version: Version, loss: Loss) -> Vec<u8> {
        if loss == Loss::Required {
            return pick(&mut self.random, &POOL.incomplete).clone();
        }
        let sample = self.sample(version);
        self.numbered(&sample.bytes, version)
    }

    /// A text field, or a tag's name or value.
    fn bad_text(&mut self, version: Version) -> Vec<u8> {
        let (text_field, tags_field) = match version {
            Version::V1 => (13, 17),
            Version::V2 => (8, 9),
        };
        let mut text = vec![b'a'; self.random.usize(0..70)];
        text.extend(*pick(&mut self.random, BAD_TEXTS));
        let mut out = Vec::new();
        if self.random.bool() {
            wire::bytes_field(&mut out, text_field, &text);
        } else {
            let mut entry = Vec::new();
            wire::bytes_field(&mut entry, self.random.u32(1..=2), &text);
            wire::bytes_field(&mut out, tags_field, &entry);
        }
        out
    }

    /// An event type that no reader knows; the last one counts.
    fn bad_enum(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let values = [0, 1, 2, 3, 10, 99, 1 << 31, u64::MAX];
        wire::number_field(&mut out, 2, *pick(&mut self.random, &values));
        out
    }
}
