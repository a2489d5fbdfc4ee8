//! Every bound, and why it is that.

use std::time::Duration;

/// Names looked up at a time, each of which is a thread of the system's resolver.
pub(crate) const LOOKUPS_MAX: usize = 32;
/// For one name. The system's resolver gives a name server 5 s, and there is often a second one.
pub(crate) const LOOKUP_DEADLINE: Duration = Duration::from_secs(10);
/// For all names of a round to have had their turn: many that hang must not keep the rest from being
/// served.
pub(crate) const LOOKUPS_DEADLINE: Duration = Duration::from_secs(60);
/// How long a host that did not resolve is not looked up again, as upstream.
pub(crate) const FAILED_HOST_TTL: Duration = Duration::from_secs(120);
/// Most characters of a URL in a message to an app: its logs are no place for more.
pub(crate) const SHOWN_CHARS_MAX: usize = 1_000;
/// For all that the Cloud Controller lists, and for what a cache serves of it: a hundred thousand
/// bindings with certificates.
pub(crate) const LIST_BYTES_MAX: usize = 512 << 20;
/// For a whole request: connecting, asking and the answer. Upstream has no limit.
pub(crate) const REQUEST_TIMEOUT_MS: u64 = 30_000;
/// Times in a config are at most a day.
pub(crate) const TIME_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// How soon who has no bindings yet asks again: without them nobody's logs go anywhere.
pub(crate) const FIRST_RETRY_MAX: Duration = Duration::from_secs(5);
/// For a page of the Cloud Controller: a thousand bindings with certificate, key and CA are some MiB.
pub(crate) const PAGE_BYTES_MAX: usize = 64 << 20;
/// Bindings of a page: more than the Cloud Controller gives at a time.
pub(crate) const BATCH_SIZE_MAX: u32 = 100_000;
/// Connections to a binding cache: an agent has one for as long as it asks.
pub(crate) const CONNECTIONS_MAX: u32 = 4_096;
/// For the file of aggregate drains, each of which takes some KiB.
pub(crate) const AGGREGATES_BYTES_MAX: u64 = 64 << 20;
/// How long something that was told of an app is not told again. Upstream tells it every round.
pub(crate) const TOLD_TTL: Duration = Duration::from_secs(60);
/// Things told that are remembered, of some 300 bytes each; those beyond are told every round.
pub(crate) const TOLD_MAX: usize = 100_000;
