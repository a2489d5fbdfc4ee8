//! Log Cache over HTTP: the gateway, a client of a node by gRPC ([`start_gateway`]), and the proxy in
//! front of it, which lets people in ([`start_auth_proxy`]). JSON, errors and the order in which a
//! request is judged are upstream's, to the byte. One thread each.
//!
//! What differs from upstream on purpose:
//!
//! * The proxy takes queries as forms too, as Grafana sends them; upstream's reads the URL only.
//! * Nothing but `query` and `query_range` is a query; upstream's proxy takes every path that begins
//!   so.
//! * Queries are parsed by `hydrant-promql`, so that its grammar and its errors count, and offsets of
//!   subqueries survive.
//! * What may be read is remembered for `cache_ms`; upstream's for up to twice as long.
//! * UAA's keys are taken all or none: one that is no key leaves the old ones in place.
//! * Forms have at most 1 MiB and 10 s, upstream's 10 MB. Calls of the node under way are bounded; the
//!   next wait.
//! * A clean path to which a client is sent keeps its escapes as they are.
//! * Raw quotes and angle brackets in a query are answered 400: they must be escaped. What is no HTTP
//!   is 400 without a body. What stands behind a raw `#` is passed over.
//! * `TE: trailers` changes nothing; request headers `Grpc-Metadata-*` and `Authorization` do not reach
//!   the node, so that a tab in the latter is no error.
//! * A `Grpc-Timeout` beyond 292 years is one; upstream's overflows and is over at once.
//! * Of a field's two values under its two names upstream takes any, we the one whose name comes last.
//! * HTTPS is in the profile of all components here, the gateway's too.
//! * A gateway's address without a scheme is one of plain HTTP; upstream's proxy finds none there.
//! * The security event log does not show tokens of queries, and nobody waits for it.
//!
//! Whether all else is as upstream's is known from what both answered to the same 1,200 requests and more, to
//! the node, the gateway and the proxy (`frontends/hydrant/tests/program/roles/log_cache/recorded/`).
//!
//! A module uses only those above it in this list.

mod limits;

mod json;

mod answer;

mod failure;

mod path;

mod form;

mod parameters;

mod deadline;

mod state;

mod node;

mod serving;

mod start;

mod gateway;

mod promql;

mod proxy;

pub use gateway::{GatewayConfig, VERSION, start_gateway};
pub use proxy::{ProxyConfig, start_auth_proxy};
pub use serving::Report;
pub use start::{Server, StartError};
pub use state::{RestCounter, RestState};

#[cfg(test)]
mod tests;
