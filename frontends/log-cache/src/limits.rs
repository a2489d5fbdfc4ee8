//! Every bound of Log Cache, with its reason.

/// Bytes after which a segment is sealed. More is pressed better, and takes longer to read: this is
/// some hundred logs and a few tens of microseconds.
pub const SEGMENT_BYTES: usize = 32 * 1024;

/// What a source may have while others have more: its newest segment, and what it was before.
pub const FLOOR_BYTES: usize = 2 * SEGMENT_BYTES;

/// Envelopes that a read gives if it does not say how many (upstream's `local_store_reader.go`).
pub const READ_LIMIT_DEFAULT: usize = 100;

/// Envelopes that a read may ask for.
pub const READ_LIMIT_MAX: usize = 1000;
