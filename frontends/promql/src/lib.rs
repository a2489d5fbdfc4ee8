//! PromQL for Log Cache: a text becomes a [`Query`], a query and its times an [`Evaluation`], which
//! says what has to be fetched ([`Selection`]); with what was fetched it yields a [`Value`], and
//! [`json`] writes that. No sockets and no store here: who has series fetches them, from as many
//! nodes as it likes.
//!
//! Queries mean what they mean to Prometheus 2.42. What differs from upstream's Log Cache (whose
//! engine is that of Prometheus 2.13.1):
//!
//! * Matchers are what they are written as. Upstream takes `!=`, `=~` and `!~` for `=`, except of
//!   `source_id`; `instance_id` can be matched too; `a=""` selects series without `a`.
//! * `source_id=~"a|b"` is a list of ids as they are, as upstream; `!=` and `!~` of `source_id`
//!   apply. A selector without a metric's name, or with another matcher of it than `=`, is an
//!   error.
//! * Windows are closed at both ends at every step, as in Prometheus, or, by
//!   [`of_cut_times`](Evaluation::of_cut_times), without the second that begins at the step, or at
//!   the step's offset: then each step yields what an instant query does. Upstream leaves that second
//!   out at the end of a query alone, and loses samples with equal times from the
//!   second step of a range query on (51, 42 and 32 samples where there are 50).
//! * Of samples with equal times the last one that came is the newest. All of them count in
//!   `*_over_time`, and for `rate`, `increase` and `delta` too; how far apart samples lie is judged
//!   by times that differ, and there is no result if all are equal, where upstream divides by zero.
//!   `irate` and `idelta` compare the newest sample with the newest of an earlier time; upstream
//!   has no result. `deriv` and `predict_linear` need two times.
//! * A subquery without a step has one of a minute, Prometheus' default; upstream divides by zero.
//!   The same for steps that are zero or negative and ranges that end before they start: errors
//!   here.
//! * Times are rounded to milliseconds; upstream cuts `….35` to `….349`. Times that no 64-bit number of
//!   nanoseconds can hold are errors, as is NaN, and numbers have no underscores; upstream goes on with
//!   what is left of them.
//! * Errors are those of the grammar of 2.42, and so are the places that they name; where upstream
//!   names a place, there may be none. Of regular expressions they are told in the words of Go.
//! * `-2 ^ 2` is -4, as in Prometheus since 2.22; upstream's is 4. The last digit of logarithms
//!   and powers is the machine's.
//! * A range query or subquery has at most [`STEPS_MAX`](limits::STEPS_MAX) steps.
//! * There are also `@`, negative offsets, `1h30m`, `group`, `atan2`, trigonometry, `clamp`, `sgn`,
//!   `pi`, `last_over_time`, `present_over_time`, `absent_over_time`, `day_of_year`, and quoted
//!   names of labels (`{"status-code"="200"}`), since tags are not sanitised.
//! * Vectors are sorted by labels, unless `sort`, `topk` or the like is outermost.
//! * The printer keeps the offset of a subquery.
//! * An expression that takes the name away from series leaves no series that differ by nothing
//!   else: there are no names here, so that Prometheus' error for this does not occur.
//!
//! What differs from Prometheus 2.42, besides the above: no strings as answers; no native
//! histograms (and so no `histogram_count`, `histogram_sum`, `histogram_fraction`); parts of dates
//! of times that are no dates are NaN; regular expressions are those of the crate `regex`, whose
//! `\d`, `\s` and `\w` know Unicode; `\x` above 127 in a string is a character, not a byte.
//!
//! A module uses only those above it in this list.

pub mod limits;

mod labels;

mod text;

pub mod regexp;

mod duration;

mod params;

mod matcher;

mod kind;

mod function;

mod expr;

mod scan;

mod parse;

mod print;

mod query;

mod eval_error;

mod frame;

mod plan;

mod guard;

mod value;

mod eval;

pub mod json;

pub use eval_error::EvalError;
pub use labels::{Labels, Sample, Series, sanitize};
pub use matcher::{MatchOp, Matcher};
pub use params::{ParamError, RangeMs, instant_time, parse_step, parse_time, range};
pub use plan::{Evaluation, Selection};
pub use query::Query;
pub use scan::ParseError;
pub use text::{format_value, quote, quote_char};
pub use value::Value;

#[cfg(test)]
mod tests;
