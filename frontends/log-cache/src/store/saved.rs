//! A store as records for a disk, and back.
//!
//! A record has all of a segment, or what has been added to it since it was written. Which segment
//! that is, is said by the source and by when the segment was begun. A record is: its form, the
//! source's id, the class, the segment's summary, where its bytes belong (of an addition) or how many
//! they are when they are taken apart (of a pressed one), and the bytes behind their length; numbers
//! are varints.

use super::sealed::{Kept, Press, Sealed};
use super::segment::Summary;
use super::source::{Class, Source};
use super::varint::{self, unzigzag, write_bytes, write_length, zigzag};
use hydrant_feed::wire::read::Reader;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// What is to be written of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Everything.
    All,
    /// What has come since it was last written.
    New,
}

const PRESSED: u8 = 1;
const PLAIN: u8 = 2;
/// To a segment that may grow.
const ADDITION: u8 = 3;
/// To a segment that is full.
const LAST_ADDITION: u8 = 4;

/// Appends the records of a source and takes down that they are written.
pub(super) fn save(source: &mut Source, extent: Extent, out: &mut Vec<u8>) {
    let Source { id, classes, .. } = source;
    for class in Class::ALL {
        let segments = &mut classes[class as usize];
        let sealed = segments.sealed.iter_mut();
        let unwritten = sealed
            .rev()
            .take_while(|sealed| extent == Extent::All || !sealed.is_written())
            .count();
        let first = segments.sealed.len() - unwritten;
        for sealed in segments.sealed.range_mut(first..) {
            save_sealed(id, class, sealed, extent, out);
        }
        let Some(open) = &mut segments.open else {
            continue;
        };
        let Some(summary) = open.summary() else {
            continue;
        };
        let written = open.written();
        let record = Head {
            id,
            class,
            summary: &summary,
        };
        match extent {
            Extent::All => record.write(PLAIN, None, &open.bytes_from(0), out),
            Extent::New if written == open.length() => {}
            Extent::New => {
                record.write(ADDITION, Some(written), &open.bytes_from(written), out);
            }
        }
        open.set_written();
    }
}

fn save_sealed(id: &[u8], class: Class, sealed: &mut Sealed, extent: Extent, out: &mut Vec<u8>) {
    let record = Head {
        id,
        class,
        summary: &sealed.summary,
    };
    match (extent, sealed.kept()) {
        // What is pressed is less than the rest of what is not.
        (Extent::New, _) if sealed.written() > 0 => {
            let (bytes, written) = (sealed.bytes(), sealed.written());
            record.write(LAST_ADDITION, Some(written), &bytes[written..], out);
        }
        (_, Kept::Plain(bytes)) => record.write(PLAIN, None, bytes, out),
        (_, Kept::Pressed(bytes, plain_bytes)) => {
            record.write(PRESSED, Some(*plain_bytes), bytes, out);
        }
    }
    sealed.set_written();
}

/// Which segment a record is of.
struct Head<'s> {
    id: &'s [u8],
    class: Class,
    summary: &'s Summary,
}

impl Head<'_> {
    fn write(&self, form: u8, number: Option<usize>, bytes: &[u8], out: &mut Vec<u8>) {
        let summary = self.summary;
        out.push(form);
        write_bytes(self.id, out);
        out.push(self.class as u8);
        varint::write(u64::from(summary.count), out);
        varint::write(summary.first, out);
        varint::write(summary.last, out);
        varint::write(zigzag(summary.oldest), out);
        varint::write(zigzag(summary.newest), out);
        varint::write(summary.born, out);
        if let Some(number) = number {
            write_length(number, out);
        }
        write_bytes(bytes, out);
    }
}

/// What has been read of records so far.
#[derive(Debug, Default)]
pub struct Restored {
    sources: HashMap<Box<[u8]>, BTreeMap<u64, Found>>,
    /// Records whose segment had gaps before them, or could not be taken apart.
    damaged: u64,
}

#[derive(Debug)]
struct Found {
    class: Class,
    summary: Summary,
    bytes: Kept,
    /// Whether it grows.
    is_open: bool,
}

/// The segments of a source, the oldest first.
#[derive(Debug, Default)]
pub struct Segments(pub(super) Vec<(Class, Sealed)>);

impl Restored {
    /// Reads records: what they say of a segment counts more than what was said before. `false` where
    /// they are not what [`save`] writes: what is behind that is not read.
    pub fn read(&mut self, records: &[u8]) -> bool {
        let mut reader = Reader::new(records);
        while !reader.rest().is_empty() {
            if self.read_one(&mut reader).is_none() {
                self.damaged += 1;
                return false;
            }
        }
        true
    }

    /// Records that could not be used.
    pub const fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Each source and what is known of it.
    pub fn into_sources(self) -> impl Iterator<Item = (Box<[u8]>, Segments)> {
        let segments =
            |found: BTreeMap<u64, Found>| Segments(found.into_values().map(Found::seal).collect());
        let sources = self.sources.into_iter();
        sources.map(move |(id, found)| (id, segments(found)))
    }

    fn read_one(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let form = reader.key()?;
        let id = reader.bytes()?;
        let class = Class::ALL.into_iter().nth(usize::from(reader.key()?))?;
        let summary = Summary {
            count: reader.varint()?.try_into().ok()?,
            first: reader.varint()?,
            last: reader.varint()?,
            oldest: unzigzag(reader.varint()?),
            newest: unzigzag(reader.varint()?),
            born: reader.varint()?,
        };
        let number = match form {
            PLAIN => 0,
            _ => usize::try_from(reader.varint()?).ok()?,
        };
        let bytes = reader.bytes()?;
        if !self.sources.contains_key(id) {
            self.sources.insert(id.into(), BTreeMap::new());
        }
        let found = self.sources.get_mut(id)?;
        match form {
            PLAIN | PRESSED => {
                let bytes = match form {
                    PLAIN => Kept::Plain(bytes.into()),
                    _ => Kept::Pressed(bytes.into(), number),
                };
                let is_open = form == PLAIN;
                bytes.plain()?;
                found.insert(
                    summary.born,
                    Found {
                        class,
                        summary,
                        bytes,
                        is_open,
                    },
                );
            }
            ADDITION | LAST_ADDITION => {
                let before = found.remove(&summary.born);
                let Some(whole) = joined(before.as_ref(), number, bytes) else {
                    // What came before it is still good.
                    before.map(|before| found.insert(summary.born, before));
                    self.damaged += 1;
                    return Some(());
                };
                let whole = Found {
                    class,
                    summary,
                    bytes: Kept::Plain(whole.into()),
                    is_open: form == ADDITION,
                };
                let born = summary.born;
                found.insert(
                    born,
                    if whole.is_open {
                        whole
                    } else {
                        whole.pressed()
                    },
                );
            }
            _ => return None,
        }
        Some(())
    }
}

/// A segment with an addition at this place of it; `None` if it does not reach so far.
fn joined(before: Option<&Found>, place: usize, bytes: &[u8]) -> Option<Vec<u8>> {
    let before = match before {
        Some(before) => before.bytes.plain()?,
        None => Cow::Borrowed(&[][..]),
    };
    let mut whole = before.get(..place)?.to_vec();
    whole.extend_from_slice(bytes);
    Some(whole)
}

impl Found {
    fn pressed(self) -> Self {
        match self.bytes {
            Kept::Plain(plain) => Self {
                bytes: Press::default().press(&plain),
                ..self
            },
            Kept::Pressed(..) => self,
        }
    }

    /// It does not grow any more: what comes begins another.
    fn seal(self) -> (Class, Sealed) {
        let found = self.pressed();
        (found.class, Sealed::restored(found.summary, found.bytes))
    }
}
