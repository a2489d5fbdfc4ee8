//! Runs into tables, and into lines of JSON for the record.

use super::balance::GroupTotal;
use super::measured::{Measured, Pace};
use super::run::Run;
use super::schedule::histogram;
use crate::report::{median, ratio};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::time::Duration;

/// A rate below this part of what was asked for was not reached.
const REACHED: f64 = 0.98;
/// The narrowest column of names.
const NAME_WIDTH_MIN: usize = 10;

/// The runs of a case at a pace.
#[derive(Debug)]
pub struct Results<M> {
    /// Who serves and who reads.
    pub case: M,
    /// How much is sent.
    pub pace: Pace,
    runs: Vec<Run>,
}

impl<M: Measured> Results<M> {
    /// No runs so far.
    pub const fn new(case: M, pace: Pace) -> Self {
        let runs = Vec::new();
        Self { case, pace, runs }
    }

    /// Takes a run in.
    pub fn add(&mut self, run: Run) {
        self.runs.push(run);
    }

    /// All that were taken in.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The median over all runs.
    pub fn median(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        median(self.runs.iter().map(figure).collect())
    }

    fn row(&self, all: &[Self], width: usize) -> String {
        let offered = self.median(Run::offered_per_second);
        let lost: u64 = self.runs.iter().map(|run| run.accounts.lost()).sum();
        let percent = |figure: fn(&Run) -> f64| format!("{:.0}%", self.median(figure) * 100.0);
        let is_short = self
            .pace
            .rate()
            .is_some_and(|rate| offered < rate as f64 * REACHED);
        format!(
            "{:<width$} {:>8} {:>1}{:>9.0} {:>9.0} {:>9} {:>7.3} {:>7.3} {:>6} {:>6} {:>5} {:>9}",
            self.case.name(),
            self.pace.name(),
            if is_short { "<" } else { "" },
            offered,
            self.median(Run::delivered_per_second),
            lost,
            self.median(Run::in_us),
            self.median(Run::out_us),
            self.times(all, M::ONE, Run::in_us),
            self.times(all, M::BARE, Run::out_us),
            percent(Run::busy),
            format!("{}/{}", percent(Run::server_away), percent(Run::load_away)),
        )
    }

    /// As a multiple of another case at the same pace, if that was measured.
    fn times(&self, all: &[Self], case: M, figure: fn(&Run) -> f64) -> String {
        let mut others = all.iter();
        let other = others.find(|other| other.case == case && other.pace == self.pace);
        let times = other.map(|other| ratio(self.median(figure), other.median(figure)));
        match times {
            Some(times) if times > 0.0 => format!("{times:.2}"),
            _ => "-".to_owned(),
        }
    }

    /// What was lost in all runs, by name, and beside it how much of that readers missed.
    fn losses(&self, width: usize) -> Option<String> {
        let mut names: BTreeMap<&str, u64> = BTreeMap::new();
        for run in &self.runs {
            for (name, count) in run.accounts.counts.losses() {
                *names.entry(name).or_default() += count;
            }
        }
        let (case, pace) = (self.case.name(), self.pace.name());
        let sent: u64 = self.runs.iter().map(|run| run.accounts.sent).sum();
        let line = format!("{case:<width$} {pace:>8}  sent {sent}");
        let append = |line, (name, count)| format!("{line}  {name} {count}");
        (!names.is_empty()).then(|| names.into_iter().fold(line, append))
    }

    /// How evenly groups shared, over all runs; nothing if nobody shares.
    fn shares(&self, width: usize) -> Option<String> {
        let groups = self.runs.iter().flat_map(|run| &run.accounts.groups);
        let shares = groups.filter_map(GroupTotal::shares);
        let [least, most] = shares.reduce(|[least, most], [other_least, other_most]| {
            [least.min(other_least), most.max(other_most)]
        })?;
        let (case, pace) = (self.case.name(), self.pace.name());
        let [least, most] = [least, most].map(|share| share * 100.0);
        Some(format!(
            "{case:<width$} {pace:>8}  a member had {least:.1}% to {most:.1}% of an equal share"
        ))
    }

    /// The latencies of all runs together, and of each.
    pub fn latency_lines(&self) -> Vec<String> {
        let (mut latencies, mut lateness) = (histogram(), histogram());
        let mut lines = Vec::new();
        for run in &self.runs {
            lines.push(percentiles(&run.latencies));
            // All have the same bounds.
            latencies.add(&run.latencies).ok();
            lateness.add(&run.lateness).ok();
        }
        if self.runs.len() > 1 {
            lines.push(format!("{}  all runs", percentiles(&latencies)));
        }
        lines.push(format!("{}  sent so late", percentiles(&lateness)));
        lines
    }

    /// A line of JSON for each run.
    pub fn json_lines(&self, unix_seconds: u64) -> Vec<String> {
        let line = |run| json_line(self, run, unix_seconds);
        self.runs.iter().map(line).collect()
    }
}

/// The table of what everything costs, the shares, the losses and the legend.
pub fn table<M: Measured>(all: &[Results<M>]) -> String {
    let names = all.iter().map(|results| results.case.name().len());
    let width = names.fold(NAME_WIDTH_MIN, usize::max);
    let mut lines = vec![format!(
        "{:<width$} {:>8} {:>10} {:>9} {:>9} {:>7} {:>7} {:>6} {:>6} {:>5} {:>9}",
        "case",
        "asked/s",
        "offered/s",
        "deliv./s",
        "lost",
        "us in",
        "us out",
        "x one",
        "x bare",
        "busy",
        "away",
    )];
    lines.extend(all.iter().map(|results| results.row(all, width)));
    let shares: Vec<_> = all.iter().filter_map(|one| one.shares(width)).collect();
    if !shares.is_empty() {
        lines.push("\nShared by the members of a group, each envelope for one of them:".to_owned());
        lines.extend(shares);
    }
    let losses: Vec<_> = all.iter().filter_map(|one| one.losses(width)).collect();
    if losses.is_empty() {
        lines.push("\nNothing was lost.".to_owned());
    } else {
        lines.push("\nLost in all runs, by name:".to_owned());
        lines.extend(losses);
    }
    lines.push(format!("\n{}", legend::<M>()));
    lines.join("\n")
}

/// What the table's figures mean.
fn legend<M: Measured>() -> String {
    let (one, bare) = (M::ONE.name(), M::BARE.name());
    format!(
        "\
Medians of all runs; each run has a server of its own and is watched for a while after a warm-up.
asked      envelopes a second that senders were to send, evenly, a batch at a time; max is as fast
           as the server takes them
offered    envelopes a second that they sent; < if that is less than was asked for
delivered  envelopes a second that came to all readers together
lost       in all runs, warm-up and end included, what readers should have got and did not, which
           the server has counted by name; checked to one envelope
us in      CPU time of the server's process for an envelope sent
us out     and for one delivered
x one      us in, as a multiple of {one}'s at the same rate
x bare     us out, as a multiple of {bare}'s, a server that only passes on
busy       how much of the window the server's process ran, of one core
away       how much of it other work had the server's core, and kept the load waiting: at more than
           a few per cent the rates say little"
    )
}

fn percentiles(times: &Histogram<u64>) -> String {
    let at = |quantile| micros(times.value_at_quantile(quantile));
    format!(
        "p50 {}  p90 {}  p99 {}  p99.9 {}  max {} us  ({} of them)",
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        micros(times.max()),
        times.len(),
    )
}

fn micros(nanos: u64) -> String {
    format!("{:>7.0}", Duration::from_nanos(nanos).as_secs_f64() * 1e6)
}

/// Names are ours and numbers are numbers, so nothing needs escaping.
fn json_line<M: Measured>(results: &Results<M>, run: &Run, unix_seconds: u64) -> String {
    let mut line = format!(
        "{{\"unix_seconds\":{unix_seconds},\"scenario\":\"{}-{}\",\"asked\":{}",
        M::BENCH,
        results.case.name(),
        results.pace.rate().unwrap_or(0),
    );
    let mut member = |name: &str, value: u64| line.push_str(&format!(",\"{name}\":{value}"));
    member("window_ns", run.window_ns);
    member("offered", run.offered);
    member("delivered", run.delivered);
    member("cpu_ns", run.server_time.cpu_ns);
    member("waited_ns", run.server_time.waited_ns);
    member("away_ns", run.server_away_ns);
    member("load_cpu_ns", run.load_time.cpu_ns);
    member("load_waited_ns", run.load_time.waited_ns);
    member("server_bytes", run.server_bytes);
    member("sent_in_all", run.accounts.sent);
    member("expected_in_all", run.accounts.expected());
    member("received_in_all", run.accounts.received());
    for (name, count) in run.accounts.counts.losses() {
        member(name, count);
    }
    if let Some(drains) = &run.accounts.drains {
        member("found_in_black_holes", drains.found);
        drains
            .standing
            .all()
            .for_each(|(name, count)| member(name, count));
    }
    if matches!(results.pace, Pace::Timed(_)) {
        for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
            member(name, run.latencies.value_at_quantile(quantile));
        }
        member("max", run.latencies.max());
    }
    line.push('}');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::balance::{Accounts, Wanted};
    use crate::grpc::case::Case;
    use crate::threads::ThreadTime;

    fn run(offered: u64, received: &[u64], cpu_ns: u64) -> Run {
        let time = |cpu_ns, waited_ns| ThreadTime { cpu_ns, waited_ns };
        let mut latencies = histogram();
        latencies.record_n(40_000, 999).unwrap();
        latencies.record(2_000_000).unwrap();
        let delivered = received.iter().sum();
        let lost = format!("session.outbox_full={}", offered - delivered);
        Run {
            window_ns: 1_000_000_000,
            offered,
            delivered,
            server_time: time(cpu_ns, 0),
            server_away_ns: 20_000_000,
            server_bytes: 1 << 20,
            load_time: time(cpu_ns, 50_000_000),
            latencies,
            lateness: histogram(),
            accounts: Accounts {
                has_ledger: true,
                sent: offered,
                groups: vec![GroupTotal {
                    wanted: Wanted::Firehose,
                    expected: offered,
                    received: received.to_vec(),
                }],
                counts: lost.parse().unwrap(),
                drains: None,
            },
        }
    }

    fn results(case: Case, runs: [(u64, u64, u64); 3]) -> Results<Case> {
        let mut results = Results::new(case, Pace::Rate(1_000_000));
        for (offered, delivered, cpu_ns) in runs {
            results.add(run(offered, &[delivered], cpu_ns));
        }
        results
    }

    fn words(line: &str) -> Vec<&str> {
        line.split_whitespace().collect()
    }

    #[test]
    fn the_table_has_medians_ratios_and_losses() {
        let full = (1_000_000, 1_000_000, 200_000_000);
        let all = [
            results(Case::Bare, [full; 3]),
            results(
                Case::One,
                [
                    (900_000, 900_000, 360_000_000),
                    (800_000, 800_000, 400_000_000),
                    (500_000, 499_990, 900_000_000),
                ],
            ),
        ];
        let text = table(&all);
        let lines: Vec<_> = text.lines().collect();
        let bare = [
            "bare", "1000000", "1000000", "1000000", "0", "0.200", "0.200",
        ];
        assert_eq!(words(lines[1])[..7], bare);
        assert_eq!(words(lines[1])[7..], ["0.40", "1.00", "20%", "2%/5%"]);
        let one = [
            "readers-1",
            "1000000",
            "<",
            "800000",
            "800000",
            "10",
            "0.500",
            "0.500",
        ];
        assert_eq!(words(lines[2])[..8], one);
        assert_eq!(words(lines[2])[8..], ["1.00", "2.50", "40%", "2%/5%"]);
        assert!(
            text.contains("sent 2200000  session.outbox_full 10\n"),
            "{text}"
        );
    }

    #[test]
    fn shares_are_those_of_the_worst_run() {
        let mut results = Results::new(Case::Four, Pace::Max);
        results.add(run(2000, &[990, 1010], 1));
        results.add(run(2000, &[1020, 980], 1));
        let text = table(&[results]);
        assert!(
            text.contains("max  a member had 98.0% to 102.0% of an equal share\n"),
            "{text}"
        );
    }

    #[test]
    fn latencies_are_of_all_runs() {
        let all = results(Case::Latency, [(1, 1, 1); 3]);
        let lines = all.latency_lines();
        assert_eq!(lines.len(), 5);
        let each = words(&lines[0]).join(" ");
        assert!(
            each.starts_with("p50 40 p90 40 p99 40 p99.9 40 max 2001"),
            "{each}"
        );
        assert!(
            lines[3].contains("(3000 of them)  all runs"),
            "{}",
            lines[3]
        );
    }

    #[test]
    fn a_run_is_a_line_of_json() {
        let all = results(Case::One, [(7, 6, 5); 3]);
        let lines = all.json_lines(3);
        assert!(lines[0].starts_with("{\"unix_seconds\":3,\"scenario\":\"grpc-readers-1\","));
        assert!(
            lines[0].ends_with(",\"session.outbox_full\":1}"),
            "{}",
            lines[0]
        );
    }
}
