//! Readers' requests into queries, with upstream's rules and texts (`local_store_reader.go`), which
//! clients show to people.

use crate::limits::{READ_LIMIT_DEFAULT, READ_LIMIT_MAX};
use crate::names::NameFilter;
use crate::store::Query;
use hydrant_engine::record::{Kind, KindSet};
use hydrant_promql::regexp;
use hydrant_proto::logcache::{EnvelopeType, ReadRequest};

/// Why a request cannot be answered; the text is for who asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The window ends before it begins.
    #[error("StartTime ({start}) must be before EndTime ({end})")]
    Window {
        /// Nanoseconds since 1970.
        start: i64,
        /// The same.
        end: i64,
    },
    /// More than may be asked for.
    #[error("limit ({0}) must be 1000 or less")]
    Limit(i64),
    /// Less than nothing.
    #[error("limit ({0}) must be greater than zero")]
    NegativeLimit(i64),
    /// The name filter is no regular expression.
    #[error("name filter must be a valid regular expression: error parsing regexp: {0}")]
    NameFilter(String),
}

/// What a request asks for, at this time in nanoseconds since 1970.
///
/// # Errors
/// The request breaks a rule; the first in upstream's order is told.
pub fn query(request: &ReadRequest, now: i64) -> Result<Query, Refused> {
    let (start, limit) = (request.start_time, request.limit);
    if request.end_time != 0 && start > request.end_time {
        let end = request.end_time;
        return Err(Refused::Window { start, end });
    }
    let limit = match usize::try_from(limit) {
        Err(_) => return Err(Refused::NegativeLimit(limit)),
        Ok(0) => READ_LIMIT_DEFAULT,
        Ok(limit @ 1..=READ_LIMIT_MAX) => limit,
        Ok(_) => return Err(Refused::Limit(limit)),
    };
    Ok(Query {
        start,
        end: if request.end_time == 0 {
            now
        } else {
            request.end_time
        },
        limit,
        kinds: kinds(&request.envelope_types),
        descending: request.descending,
        names: names(&request.name_filter)?,
    })
}

fn names(filter: &str) -> Result<Option<NameFilter>, Refused> {
    if filter.is_empty() {
        return Ok(None);
    }
    let refused = |error: regex::Error| {
        let problem = regexp::problem(filter);
        Refused::NameFilter(problem.unwrap_or_else(|| error.to_string()))
    };
    NameFilter::new(filter).map(Some).map_err(refused)
}

/// `ANY` beside others says nothing, and alone that all are wanted, those without a message
/// included. A number that nobody knows is the type of no envelope (upstream's process dies of it).
fn kinds(types: &[i32]) -> KindSet {
    let named = types
        .iter()
        .filter(|number| **number != EnvelopeType::Any as i32);
    let named: Vec<_> = named.collect();
    if named.is_empty() {
        return KindSet::ALL;
    }
    let kinds = named.into_iter().map(|number| kind(*number));
    kinds.fold(KindSet::NONE, KindSet::union)
}

fn kind(number: i32) -> KindSet {
    match EnvelopeType::try_from(number) {
        Ok(EnvelopeType::Log) => KindSet::of(&[Kind::Log, Kind::Error]),
        Ok(EnvelopeType::Counter) => KindSet::of(&[Kind::Counter]),
        Ok(EnvelopeType::Gauge) => KindSet::of(&[Kind::Gauge]),
        Ok(EnvelopeType::Timer) => KindSet::of(&[Kind::Timer]),
        Ok(EnvelopeType::Event) => KindSet::of(&[Kind::Event]),
        Ok(EnvelopeType::Any) | Err(_) => KindSet::NONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1000;

    fn of(set: impl FnOnce(&mut ReadRequest)) -> Result<Query, String> {
        let mut request = ReadRequest::default();
        set(&mut request);
        query(&request, NOW).map_err(|refused| refused.to_string())
    }

    fn types(types: &[i32]) -> KindSet {
        of(|request| request.envelope_types = types.to_vec())
            .unwrap()
            .kinds
    }

    #[test]
    fn what_is_not_said_has_upstreams_defaults() {
        let query = of(|_| ()).unwrap();
        assert_eq!((query.start, query.end, query.limit), (0, NOW, 100));
        assert_eq!(query.kinds, KindSet::ALL);
        assert!(!query.descending && query.names.is_none());
        // cf's CLI asks from the zero time of Go on.
        let first = -6_795_364_578_871_345_152;
        let query = of(|request| request.start_time = first).unwrap();
        assert_eq!(query.start, first);
    }

    #[test]
    fn rules_are_upstreams_and_so_are_the_texts() {
        let window = of(|request| (request.start_time, request.end_time) = (5, 4));
        assert_eq!(
            window.unwrap_err(),
            "StartTime (5) must be before EndTime (4)"
        );
        of(|request| (request.start_time, request.end_time) = (5, 5)).unwrap();
        let limit = |limit| of(|request| request.limit = limit).map(|query| query.limit);
        assert_eq!(
            limit(1001).unwrap_err(),
            "limit (1001) must be 1000 or less"
        );
        assert_eq!(
            limit(-1).unwrap_err(),
            "limit (-1) must be greater than zero"
        );
        assert_eq!(limit(1000), Ok(1000));
        assert_eq!(limit(1), Ok(1));
        let filter = of(|request| request.name_filter = "[".to_owned()).unwrap_err();
        assert_eq!(
            filter,
            "name filter must be a valid regular expression: error parsing regexp: missing closing ]: `[`"
        );
    }

    #[test]
    fn any_type_says_nothing_beside_others() {
        assert_eq!(types(&[0]), KindSet::ALL);
        assert_eq!(types(&[0, 1]), KindSet::of(&[Kind::Log, Kind::Error]));
        assert_eq!(types(&[3, 5]), KindSet::of(&[Kind::Gauge, Kind::Event]));
        assert_eq!(types(&[99]), KindSet::NONE);
        assert_eq!(types(&[99, 4]), KindSet::of(&[Kind::Timer]));
    }
}
