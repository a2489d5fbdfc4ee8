//! How much clients and peers may take of us, and how long.

use std::time::Duration;

/// Connections of clients at a time; the next wait in the kernel. Each has some 20 KiB.
pub(crate) const CONNECTIONS_MAX: u32 = 10_000;

/// Bytes of an answer of the node. A client is told 429 if there are more, and asks for less: this is
/// what `cf logs --recent` knows, and the number is upstream's.
pub(crate) const NODE_ANSWER_BYTES_MAX: usize = 50 << 20;
/// Calls of the node under way, each of which may hold an answer and its JSON; the next wait.
pub(crate) const NODE_CALLS_MAX: usize = 64;

/// Bytes of a form. Go's are 10 MB; a query of more than this has no meaning.
pub(crate) const FORM_BYTES_MAX: usize = 1 << 20;
/// For a form to come.
pub(crate) const FORM_TIMEOUT: Duration = Duration::from_secs(10);

/// For what the gateway says of its version or of the sources that it knows, as upstream.
pub(crate) const META_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of that: 200 for each of 300,000 sources.
pub(crate) const META_BYTES_MAX: usize = 64 << 20;

/// Between two times that UAA is asked for its keys before anything is served, as upstream.
pub(crate) const READY_PAUSE: Duration = Duration::from_secs(10);
/// Between two times that an address is tried that was free when we started and is not any more.
pub(crate) const LISTEN_PAUSE: Duration = Duration::from_secs(1);

const _: () = assert!(FORM_BYTES_MAX < NODE_ANSWER_BYTES_MAX);
