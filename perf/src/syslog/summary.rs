//! What the table of all benches does not say: memory, targets, and drains by their health.

use super::case::Case;
use crate::flow::balance::DrainAccounts;
use crate::flow::drains::Health;
use crate::flow::measured::Measured;
use crate::flow::results::Results;
use std::collections::BTreeMap;

/// Microseconds of CPU a line to one drain; the goal is 0.35.
const TARGET_US: &str = "<= 0.7";

/// Drains of one health over all runs.
#[derive(Default)]
struct Total {
    drains: u64,
    counts: BTreeMap<String, u64>,
}

/// A line for each case and pace, and one for each health of its drains.
pub(super) fn summary(all: &[Results<Case>]) -> String {
    let mut lines = vec![format!(
        "{:<15} {:>8} {:>9} {:>9} {:>7} {:>7} {:>8}",
        "case", "asked/s", "deliv./s", "lost", "us out", "target", "RSS MiB"
    )];
    for results in all {
        lines.push(format!(
            "{:<15} {:>8} {:>9.0} {:>9} {:>7.3} {:>7} {:>8.1}",
            results.case.name(),
            results.pace.name(),
            results.median(|run| run.delivered_per_second()),
            results
                .runs()
                .iter()
                .map(|run| run.accounts.lost())
                .sum::<u64>(),
            results.median(|run| run.out_us()),
            if results.case == Case::Aggregate {
                TARGET_US
            } else {
                ""
            },
            results.median(|run| run.server_bytes as f64 / f64::from(1 << 20)),
        ));
        let accounts = results.runs().iter();
        let drains: Vec<_> = accounts
            .filter_map(|run| run.accounts.drains.as_ref())
            .collect();
        lines.extend(Health::ALL.iter().filter_map(|health| of(*health, &drains)));
    }
    lines.push(LEGEND.to_owned());
    lines.join("\n")
}

const LEGEND: &str = "
Medians; below each, of all runs together, warm-up included, lines when the load had come to rest.
lost       in all runs, by drains that are read from, what found a lane full included; the target
           is 0 at 1000000/s, and with apps' drains 0 whatever becomes of others
target     of us out; the goal is 0.35
RSS        memory of the server's process; what the kernel holds for its sockets is not in it
healthy    drains that are read from
dead       connections are refused
black_hole connections are accepted by the kernel and never read from; delivered is what it took";

/// Nothing if there are no such drains.
fn of(health: Health, runs: &[&DrainAccounts]) -> Option<String> {
    let mut total = Total::default();
    for drains in runs {
        total.drains = drains.get(health, "drains");
        for name in ["selected", "delivered", "waiting"] {
            *total.counts.entry(name.to_owned()).or_default() += drains.get(health, name);
        }
        for (name, count) in drains.losses(health) {
            *total.counts.entry(format!("lost.{name}")).or_default() += count;
        }
    }
    let (name, drains) = (health.name(), total.drains);
    let counts = total.counts.iter();
    let counts: String = counts
        .map(|(name, count)| format!("  {name} {count}"))
        .collect();
    (drains > 0).then(|| format!("    {name} {drains}:{counts}"))
}
