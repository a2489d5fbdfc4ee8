//! /health: whether the server does its work, and which routers it does it without.

use crate::state::ServerState;
use hydrant_feed::routers::{RouterState, Routers};
use std::fmt::Write;

/// How a server is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether it can work: every shard runs and, if other hosts feed it, one of them is there.
    pub is_well: bool,
    /// The same in words, with a line for each router that is away: what that has for us meanwhile
    /// does not come.
    pub report: String,
}

impl Health {
    /// How this server is doing now.
    pub fn of(state: &ServerState) -> Self {
        let shards = state.stopped_shards();
        let routers: Vec<_> = state.routers.iter().flat_map(Routers::states).collect();
        let away: Vec<_> = routers.iter().filter_map(|router| line(router)).collect();
        let all_away = !routers.is_empty() && away.len() == routers.len();
        let mut report = match (shards.as_slice(), all_away) {
            ([], false) => "ok\n".to_owned(),
            ([], true) => "no router can be reached\n".to_owned(),
            (shards, _) => format!("shards {shards:?} have stopped\n"),
        };
        report.extend(away);
        Self {
            is_well: shards.is_empty() && !all_away,
            report,
        }
    }
}

/// What there is to say of a router; nothing if it is there or not asked for.
fn line(router: &RouterState) -> Option<String> {
    let away = router.away()?.as_secs();
    let (zone, address) = (router.zone(), router.address());
    let mut line = format!("zone {zone:?}: router {address} has been away for {away} s");
    if let Some(error) = router.last_error() {
        write!(line, ": {error}").ok()?;
    }
    line.push('\n');
    Some(line)
}
