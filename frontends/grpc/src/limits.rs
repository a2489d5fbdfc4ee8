//! What one reader may ask for. Upstream bounds only the bytes of a request; a few MiB of them can
//! say so much that serving it takes all of a worker.

use crate::config::Rules;
use hydrant_engine::decode::fields;
use tonic::Status;

/// Selectors of a request: a reader of a thousand sources wants each of their five kinds.
pub(crate) const SELECTORS_MAX: usize = 10_000;
/// Names in all gauge selectors of a request.
pub(crate) const NAMES_MAX: usize = 100_000;
/// How often a request may have the same selector. As upstream, each is a subscription of its own,
/// and the reader gets what it selects so often.
pub(crate) const SAME_SELECTOR_MAX: usize = 16;
/// Bytes of a group's id, and of a deterministic name.
pub(crate) const ID_BYTES_MAX: usize = 4 * 1024;
/// What the requests of all sessions of a worker may take, in bytes of memory as
/// [`request_memory_bytes`] has them.
pub(crate) const REQUESTS_MEMORY_BYTES_MAX: usize = 128 << 20;
/// What a selector takes beside its bytes: its group in the table, in the indexes and in the
/// memberships.
const SELECTOR_MEMORY_BYTES: usize = 512;

const SHARD_ID: u64 = 1;
const LEGACY_SELECTOR: u64 = 2;
const SELECTOR: u64 = 4;
const DETERMINISTIC_NAME: u64 = 5;
const GAUGE: u64 = 4;
const GAUGE_NAME: u64 = 1;

/// Largest request that is taken, in bytes: the Doppler's `MaxRecvMsgSize`, or grpc-go's default,
/// which the Reverse Log Proxy leaves as it is.
pub(crate) const fn request_bytes_max(rules: Rules) -> usize {
    if rules.is_doppler() {
        10 << 20
    } else {
        4 << 20
    }
}

/// What a session's request takes as long as the session is open.
pub(crate) const fn request_memory_bytes(request: &[u8], selector_count: usize) -> usize {
    request.len() + selector_count * SELECTOR_MEMORY_BYTES
}

/// Looks at the bytes of a v2 request, before they are decoded into many times as many.
///
/// # Errors
/// Says what there is too much of.
pub(crate) fn check_v2(request: &[u8]) -> Result<(), Status> {
    let (mut selectors, mut names) = (0, 0);
    for (number, field) in fields(request) {
        match number {
            SHARD_ID => check_id("shard_id", field)?,
            DETERMINISTIC_NAME => check_id("deterministic_name", field)?,
            LEGACY_SELECTOR | SELECTOR => {
                selectors += 1;
                names += name_count(field);
            }
            _ => {}
        }
    }
    at_most("selectors", selectors, SELECTORS_MAX)?;
    at_most("names of gauges", names, NAMES_MAX)
}

/// # Errors
/// Says which id is too long.
pub(crate) fn check_id(field: &str, id: &[u8]) -> Result<(), Status> {
    at_most(&format!("bytes of {field}"), id.len(), ID_BYTES_MAX)
}

/// # Errors
/// Says that a selector is there too often.
pub(crate) fn check_same(count: usize) -> Result<(), Status> {
    at_most("times the same selector", count, SAME_SELECTOR_MAX)
}

fn name_count(selector: &[u8]) -> usize {
    let gauges = fields(selector).filter(|(number, _)| *number == GAUGE);
    let names = gauges.flat_map(|(_, gauge)| fields(gauge));
    names.filter(|(number, _)| *number == GAUGE_NAME).count()
}

fn at_most(what: &str, count: usize, max: usize) -> Result<(), Status> {
    if count <= max {
        return Ok(());
    }
    Err(Status::resource_exhausted(format!(
        "the request is too large: {count} {what}, at most {max}"
    )))
}
