//! An envelope as the store keeps it: what its neighbours share, and what it says itself.

use hydrant_feed::wire::fields::{
    self, COUNTER, EVENT, GAUGE, INSTANCE_ID, LOG, SOURCE_ID, TAGS, TIMER, TIMESTAMP,
};
use hydrant_feed::wire::read::Reader;
use hydrant_feed::wire::sorted::Sorted;
use std::mem;

/// The parts of a v2 envelope but for its source.
#[derive(Debug, Default)]
pub(super) struct Parts<'e> {
    /// In nanoseconds since 1970.
    pub(super) timestamp: i64,
    pub(super) instance_id: &'e [u8],
    /// In the order of their names; of two with the same name the later one counts.
    pub(super) tags: Sorted<'e, &'e [u8]>,
    /// The message's field in the envelope, and its bytes.
    pub(super) message: Option<(u8, &'e [u8])>,
}

impl<'e> Parts<'e> {
    /// Finds everything in one pass. `None` where the envelope has what is not among the parts
    /// (deprecated tags, fields of the future), or a message in two pieces.
    fn read(&mut self, envelope: &'e [u8]) -> Option<()> {
        let mut reader = Reader::new(envelope);
        while let Some(key) = reader.key() {
            match key {
                TIMESTAMP => self.timestamp = reader.varint()?.cast_signed(),
                SOURCE_ID => {
                    reader.bytes()?;
                }
                INSTANCE_ID => self.instance_id = reader.bytes()?,
                TAGS => {
                    let (name, tag) = fields::tag(reader.bytes()?)?;
                    self.tags.insert(name, tag.value)?;
                }
                LOG | COUNTER | GAUGE | TIMER | EVENT if self.message.is_none() => {
                    self.message = Some((key, reader.bytes()?));
                }
                _ => return None,
            }
        }
        Some(())
    }
}

/// Takes envelopes apart, one after the other, in the same memory.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    tags: Sorted<'static, &'static [u8]>,
}

impl Cutter {
    /// Shows the parts to `look` and gives what that gives; `None` if there are others.
    #[inline]
    pub(super) fn cut<T>(
        &mut self,
        envelope: &[u8],
        look: impl FnOnce(&Parts<'_>) -> T,
    ) -> Option<T> {
        let mut parts = Parts {
            tags: mem::take(&mut self.tags).recycle(),
            ..Parts::default()
        };
        let shown = parts.read(envelope).map(|()| look(&parts));
        self.tags = parts.tags.recycle();
        shown
    }
}
