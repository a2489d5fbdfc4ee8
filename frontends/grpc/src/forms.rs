//! The forms in which sessions want a record. Each is made at most once per record; as it came in,
//! if that will do.

use bytes::BytesMut;
use hydrant_engine::decode::{fields, whole_fields};
use hydrant_engine::record::{Record, Version};
use hydrant_feed::convert::v2_envelope;
use hydrant_proto::convert::{deprecate_tags, prefer_tags};
use hydrant_proto::v2;
use prost::Message;

/// How a v2 session wants its envelopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As the Doppler sends them.
    Stored,
    /// All tags in `tags`.
    Preferred,
    /// All tags in `deprecated_tags`.
    Deprecated,
}

const DEPRECATED_TAGS: u64 = 3;
const TAGS: u64 = 9;

/// The forms of one record after the other, in memory that is used again.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    stored: Made,
    preferred: Made,
    deprecated: Made,
}

#[derive(Debug, Default)]
struct Made {
    state: State,
    bytes: BytesMut,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Unknown,
    AsItCame,
    AsStored,
    Converted,
    /// It cannot be: the engine has excluded it.
    Unreadable,
}

impl Forms {
    /// Forgets the record before.
    #[inline]
    pub(crate) const fn start(&mut self) {
        self.stored.state = State::Unknown;
        self.preferred.state = State::Unknown;
        self.deprecated.state = State::Unknown;
    }

    /// The record as a v2 envelope, tags as they are.
    #[inline]
    pub(crate) fn stored<'f>(&'f mut self, record: &Record<'f>) -> Option<&'f [u8]> {
        if record.header.version == Version::V2 {
            return Some(record.envelope);
        }
        if self.stored.state == State::Unknown {
            self.stored.fill(v2_envelope(record));
        }
        self.stored.get(record.envelope, &[])
    }

    /// The record in this form.
    #[inline]
    pub(crate) fn get<'f>(&'f mut self, form: Form, record: &Record<'f>) -> Option<&'f [u8]> {
        match form {
            Form::Stored => self.stored(record),
            Form::Preferred | Form::Deprecated => self.converged(form, record),
        }
    }

    fn converged<'f>(&'f mut self, form: Form, record: &Record<'f>) -> Option<&'f [u8]> {
        self.stored(record)?;
        let Self {
            stored,
            preferred,
            deprecated,
        } = self;
        let (made, field, converge): (_, _, fn(&mut v2::Envelope)) = match form {
            Form::Deprecated => (deprecated, TAGS, deprecate_tags),
            Form::Stored | Form::Preferred => (preferred, DEPRECATED_TAGS, prefer_tags),
        };
        let as_stored = match record.header.version {
            Version::V2 => (record.envelope, State::AsItCame),
            Version::V1 => (&stored.bytes[..], State::AsStored),
        };
        if made.state == State::Unknown {
            made.converge(as_stored, field, converge);
        }
        made.get(record.envelope, &stored.bytes)
    }
}

impl Made {
    fn fill(&mut self, envelope: Option<v2::Envelope>) {
        self.bytes.clear();
        self.state = match envelope {
            Some(envelope) => {
                envelope.encode_raw(&mut self.bytes);
                State::Converted
            }
            None => State::Unreadable,
        };
    }

    /// An envelope without the field that this form does without needs no conversion.
    fn converge(
        &mut self,
        (stored, as_is): (&[u8], State),
        unwanted_field: u64,
        converge: fn(&mut v2::Envelope),
    ) {
        if fields(stored).all(|(number, _)| number != unwanted_field) {
            self.state = as_is;
            return;
        }
        self.bytes.clear();
        // Only the tags are decoded: all else stays as it came, what we do not know among it.
        let mut tags = Vec::new();
        for (number, field) in whole_fields(stored) {
            match number {
                DEPRECATED_TAGS | TAGS => tags.extend_from_slice(field),
                _ => self.bytes.extend_from_slice(field),
            }
        }
        let Ok(mut tags) = v2::Envelope::decode(&tags[..]) else {
            self.state = State::Unreadable;
            return;
        };
        converge(&mut tags);
        tags.encode_raw(&mut self.bytes);
        self.state = State::Converted;
    }

    fn get<'f>(&'f self, as_it_came: &'f [u8], as_stored: &'f [u8]) -> Option<&'f [u8]> {
        match self.state {
            State::AsItCame => Some(as_it_came),
            State::AsStored => Some(as_stored),
            State::Converted => Some(&self.bytes),
            State::Unknown | State::Unreadable => None,
        }
    }
}
