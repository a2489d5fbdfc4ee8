//! How much others may take of us, and how long.

use std::time::Duration;

/// Bytes of an answer: what UAA says of a token with hundreds of scopes is some KiB.
pub(crate) const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Bytes of a page of the Cloud Controller: 5,000 apps of some 3 KB each, twice that.
pub(crate) const PAGE_BYTES_MAX: usize = 32 << 20;
/// Items that are asked for in a page: the most that the Cloud Controller gives.
pub(crate) const PER_PAGE: usize = 5_000;
/// Pages of one list. A list that says it has more has five million items, or a loop.
pub(crate) const PAGES_MAX: usize = 1_000;

/// Between two times that UAA is asked for its keys because of a token that we do not understand, as
/// upstream: anybody can send such tokens.
pub(crate) const KEYS_PAUSE: Duration = Duration::from_secs(5);

/// The longest that what is allowed may be remembered; who loses a right is let in for so long.
pub(crate) const CACHE_MS_MAX: u64 = 24 * 60 * 60 * 1000;

const _: () = assert!(ANSWER_BYTES_MAX < PAGE_BYTES_MAX);
