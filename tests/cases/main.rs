//! Cases, a module each.

#![expect(clippy::unwrap_used, reason = "a case that cannot go on fails")]

mod corpus;
mod differential;
mod layering;
mod no_alloc;
mod simulation;
mod splitting;
mod uring;
