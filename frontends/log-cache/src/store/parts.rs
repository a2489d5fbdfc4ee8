//! An envelope as the store keeps it: what its neighbours share, and what it says itself.

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;
use hydrant_feed::wire::fields::{
    self, COUNTER, EVENT, GAUGE, INSTANCE_ID, LOG, SOURCE_ID, TAGS, TIMER, TIMESTAMP,
};
use hydrant_feed::wire::read::Reader;
use hydrant_feed::wire::sorted::Sorted;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// A length within a frame takes no more.
const LENGTH_BYTES_MAX: usize = 5;

/// The parts of a v2 envelope but for its source. They are those of one after the other, in the same
/// memory.
#[derive(Debug, Default)]
pub(super) struct Parts<'e> {
    seed: u64,
    /// In nanoseconds since 1970.
    pub(super) timestamp: i64,
    pub(super) instance_id: &'e [u8],
    tags: Vec<Tag<'e>>,
    tags_bytes: usize,
    /// Tells sets of an instance and tags apart, in whatever order the tags come. With a seed that nobody
    /// knows, two sets have the same one once in 2^64 times.
    pub(super) fingerprint: u64,
    /// The message's field in the envelope, and its bytes.
    pub(super) message: Option<(u8, &'e [u8])>,
    /// `tags`, once they are sorted.
    sorted: Sorted<'e, Value<'e>>,
}

/// A tag as it is in the envelope.
#[derive(Clone, Copy, Debug)]
struct Tag<'e> {
    entry: &'e [u8],
    hash: u64,
}

/// A tag's value, and the hash of the tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'e> {
    pub(super) bytes: &'e [u8],
    pub(super) hash: u64,
}

impl<'e> Parts<'e> {
    /// With a seed of their own.
    pub(super) fn new() -> Self {
        Self {
            seed: RandomState::new().hash_one(()),
            ..Self::default()
        }
    }

    /// The same memory without parts, for other envelopes'.
    pub(super) fn recycle<'n>(mut self) -> Parts<'n> {
        self.tags.clear();
        Parts {
            seed: self.seed,
            // The standard library collects into the memory that it takes from.
            tags: self.tags.into_iter().map_while(|_| None).collect(),
            sorted: self.sorted.recycle(),
            ..Parts::default()
        }
    }

    /// Finds everything of this envelope in one pass. `None` where it has what is not among the parts
    /// (deprecated tags, fields of the future), or a message in two pieces.
    pub(super) fn read(&mut self, envelope: &'e [u8]) -> Option<()> {
        self.clear();
        let seed = self.seed;
        let mut reader = Reader::new(envelope);
        while let Some(key) = reader.key() {
            match key {
                TIMESTAMP => self.timestamp = reader.varint()?.cast_signed(),
                SOURCE_ID => {
                    reader.bytes()?;
                }
                INSTANCE_ID => self.instance_id = reader.bytes()?,
                TAGS => {
                    let entry = reader.bytes()?;
                    let hash = hash(entry, seed);
                    self.fingerprint = self.fingerprint.wrapping_add(hash);
                    // Written out, an entry without name and value has three bytes.
                    self.tags_bytes += entry.len() + 3;
                    self.tags.push(Tag { entry, hash });
                }
                LOG | COUNTER | GAUGE | TIMER | EVENT if self.message.is_none() => {
                    self.message = Some((key, reader.bytes()?));
                }
                _ => return None,
            }
        }
        // Another seed: an instance is no tag.
        let instance = hash(self.instance_id, !seed);
        self.fingerprint = self.fingerprint.wrapping_add(instance);
        Some(())
    }

    fn clear(&mut self) {
        self.timestamp = 0;
        self.instance_id = &[];
        self.tags.clear();
        self.tags_bytes = 0;
        self.fingerprint = 0;
        self.message = None;
        self.sorted.clear();
    }

    /// What instance and tags take, at most, when they are written out.
    pub(super) const fn set_bytes(&self) -> usize {
        self.instance_id.len() + self.tags_bytes + 2 * LENGTH_BYTES_MAX
    }

    /// Puts the tags in the order of their names; of two with the same name the later one counts. `None`
    /// if one is not a name and a value, or there are more than can be put in order.
    pub(super) fn sort(&mut self) -> Option<()> {
        for Tag { entry, hash } in &self.tags {
            let (name, tag) = fields::tag(entry)?;
            let value = Value {
                bytes: tag.value,
                hash: *hash,
            };
            self.sorted.insert(name, value)?;
        }
        Some(())
    }

    /// The tags once they are sorted.
    pub(super) const fn sorted(&self) -> &Sorted<'e, Value<'e>> {
        &self.sorted
    }

    /// Whether no two tags have the same name. Then they mean the same in any order.
    pub(super) fn is_set(&self) -> bool {
        self.sorted.len() == self.tags.len()
    }
}

#[inline]
fn hash(bytes: &[u8], seed: u64) -> u64 {
    let mut hasher = FoldHasher::with_seed(seed, SharedSeed::global_random());
    hasher.write(bytes);
    hasher.finish()
}
