//! Every bound, and why it is that.

/// Bytes of a query: a thousand source ids of 36 characters, and the rest of it.
pub const QUERY_BYTES_MAX: usize = 64 << 10;
/// Tokens of a query. The parser's tree is at most as deep, and is freed by recursion.
pub(crate) const TOKENS_MAX: usize = 2_048;
/// Parentheses within one another; nobody writes as many.
pub(crate) const PARENTHESES_MAX: usize = 64;
/// Levels of the tree, which is walked by recursion: `a + b + c` has three.
pub(crate) const DEPTH_MAX: usize = 192;
/// Regular expressions of a query, and what one may take when compiled: 64 MiB together.
pub(crate) const REGEXES_MAX: usize = 32;
/// See [`REGEXES_MAX`]. An alternative of 36 characters takes some KiB.
pub(crate) const REGEX_BYTES_MAX: usize = 2 << 20;
/// Tokens at the end of a query among which the one that is wrong is looked for; each is a parse.
pub(crate) const LOCATED_TOKENS_MAX: usize = 64;
/// Steps of a range query or of a subquery: a day of seconds. Upstream has no such limit.
pub const STEPS_MAX: usize = 100_000;
/// Samples that are held at a time, given or calculated; upstream's number.
pub const SAMPLES_MAX: usize = 50_000_000;
/// The newest sample counts for an instant if it is no older, as upstream: 5 minutes, in ms.
pub const LOOKBACK_MS: i64 = 5 * 60 * 1_000;
/// The step of a subquery that has none: Prometheus' default evaluation interval, in ms. Upstream
/// divides by zero.
pub const SUBQUERY_STEP_MS: i64 = 60 * 1_000;
/// Times in ms that fit into 64 bits as ns: up to the year 2262, as upstream's.
pub(crate) const TIME_MS_MAX: i64 = i64::MAX / 1_000_000;
/// Ranges, offsets and steps: 100 years. Those of all levels of a tree can be added up in 64 bits.
pub(crate) const DURATION_MS_MAX: i64 = 100 * 365 * 24 * 60 * 60 * 1_000;
/// Values that are calculated before somebody asks whether time is up: some 100 µs.
pub(crate) const VALUES_PER_CHECK: usize = 16_384;

const _: () = assert!(DEPTH_MAX < TOKENS_MAX);
// A level has a range and an offset at most.
const _: () = assert!(DURATION_MS_MAX < (i64::MAX - TIME_MS_MAX) / 1_000);
const _: () = assert!(DEPTH_MAX * 2 + 2 < 1_000);
