//! Runs into one table, and into lines of JSON for the record.

use crate::comparison::{Run, Work};
use crate::receiver::Side;
use std::fmt::Display;

/// What the table's figures mean, to be printed under it.
pub const LEGEND: &str = "\
Medians of all runs.
M/s        envelopes taken in by the receiver (the engine: decoded) in the window from the first
           send until the load's end, on a stream until the last envelope is in
ns         CPU time of the receiving thread for an envelope
ratio      of the ceiling's figure: engine/ceiling for M/s, ceiling/engine for ns; 1.00 is the
           bare kernel
busy       how long the receiving thread ran or was ready to; far below 100 % the sender is the
           limit, and only ns compares
turn       envelopes taken in for one wait in the kernel; few a turn cost much each, for a wait is
           a sleep and a wake
published  share of decoded envelopes that the lane's consumer got; the rest is lane_full, because
           the consumer shares a core with the sender
core taken away: how long other work on the machine kept the thread waiting; at more than a few
           per cent the M/s say little";

/// The runs of one work.
#[derive(Debug)]
pub struct Results {
    work: Work,
    runs: Vec<Run>,
}

impl Results {
    /// No runs yet.
    pub fn new(work: Work) -> Self {
        Self {
            work,
            runs: Vec::new(),
        }
    }

    /// Takes a run in.
    pub fn add(&mut self, run: Run) {
        self.runs.push(run);
    }

    fn of(&self, side: Side) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(move |run| run.side == side)
    }

    fn median(&self, side: Side, figure: impl Fn(&Run) -> f64) -> f64 {
        median(self.of(side).map(figure).collect())
    }

    fn sum(&self, side: Side, figure: impl Fn(&Run) -> u64) -> u64 {
        self.of(side).map(figure).sum()
    }

    /// The line of the table.
    fn row(&self) -> String {
        let both = |figure: fn(&Run) -> f64| Side::BOTH.map(|side| self.median(side, figure));
        let rates = both(Run::envelopes_per_second);
        let times = both(Run::cpu_ns);
        let busy = both(Run::busy);
        let turns = both(Run::envelopes_per_turn);
        let decoded = self.sum(Side::Engine, |run| run.outcome.envelopes);
        let published = self.sum(Side::Engine, |run| run.outcome.published);
        format!(
            "{:<8} {:>5} {:>11.3} {:>11.3} {:>6.2} {:>10.1} {:>10.1} {:>6.2} \
             {:>5.0}% {:>5.0}% {:>6.0} {:>6.0} {:>9.1}%",
            self.work.scenario.name(),
            self.work.bytes,
            rates[0] / 1e6,
            rates[1] / 1e6,
            ratio(rates[1], rates[0]),
            times[0],
            times[1],
            ratio(times[0], times[1]),
            busy[0] * 100.0,
            busy[1] * 100.0,
            turns[0],
            turns[1],
            ratio(published as f64, decoded as f64) * 100.0,
        )
    }

    /// What was lost in all runs, by name; one line a side.
    fn losses(&self, side: Side) -> String {
        let sent = self.sum(side, |run| run.load.sent);
        let mut line = format!(
            "{:<8} {:>5} {:<8} sent {sent}",
            self.work.scenario.name(),
            self.work.bytes,
            side.name()
        );
        let not_received = self.sum(side, Run::not_received);
        append(&mut line, "not_received", not_received);
        for (index, name) in self.loss_names(side).into_iter().enumerate() {
            append(
                &mut line,
                name,
                self.sum(side, |run| run.outcome.losses[index].1),
            );
        }
        let disturbed = self.median(side, Run::disturbed) * 100.0;
        line.push_str(&format!("  (core taken away {disturbed:.0}%)"));
        line
    }

    fn loss_names(&self, side: Side) -> Vec<&'static str> {
        let names = |run: &Run| run.outcome.losses.iter().map(|loss| loss.0).collect();
        self.of(side).next().map(names).unwrap_or_default()
    }

    /// A line of JSON for each run.
    pub fn json_lines(&self, unix_seconds: u64) -> Vec<String> {
        let line = |run| json_line(&self.work, run, unix_seconds);
        self.runs.iter().map(line).collect()
    }
}

/// The table of all results, their losses and the legend.
pub fn table(results: &[Results]) -> String {
    let mut lines = vec![format!(
        "{:<8} {:>5} {:>11} {:>11} {:>6} {:>10} {:>10} {:>6} {:>6} {:>6} {:>6} {:>6} {:>10}",
        "scenario",
        "bytes",
        "ceiling M/s",
        "engine M/s",
        "ratio",
        "ceiling ns",
        "engine ns",
        "ratio",
        "busy c",
        "busy e",
        "turn c",
        "turn e",
        "published",
    )];
    lines.extend(results.iter().map(Results::row));
    lines.push("\nLost in all runs, by name:".to_owned());
    for one in results {
        lines.extend(Side::BOTH.map(|side| one.losses(side)));
    }
    lines.push(format!("\n{LEGEND}"));
    lines.join("\n")
}

fn append(line: &mut String, name: &str, count: u64) {
    if count > 0 {
        line.push_str(&format!("  {name} {count}"));
    }
}

pub(crate) fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// The middle value, or the mean of the two in the middle; 0 of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// Names are ours and numbers are numbers, so nothing needs escaping.
fn json_line(work: &Work, run: &Run, unix_seconds: u64) -> String {
    let mut line = format!(
        "{{\"unix_seconds\":{unix_seconds},\"scenario\":\"{}\",\"side\":\"{}\"",
        work.scenario.name(),
        run.side.name()
    );
    let mut member = |name: &str, value: &dyn Display| {
        line.push_str(&format!(",\"{name}\":{value}"));
    };
    member("bytes", &work.bytes);
    member("apps", &work.apps);
    member("receiver_core", &work.placement.receiver_core);
    member("load_core", &work.placement.load_core);
    member("sent", &run.load.sent);
    member("envelopes", &run.outcome.envelopes);
    member("published", &run.outcome.published);
    member("turns", &run.outcome.turns);
    member("in_window", &run.in_window);
    member("window_ns", &run.window_ns);
    member("cpu_ns", &run.time.cpu_ns);
    member("waited_ns", &run.time.waited_ns);
    member("not_received", &run.not_received());
    for (name, count) in run.outcome.losses.iter().chain(&run.outcome.notes) {
        member(name, count);
    }
    line.push('}');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::LoadReport;
    use crate::receiver::{Outcome, Placement};
    use crate::scenario::Scenario;
    use crate::threads::ThreadTime;

    fn run(side: Side, window_ns: u64, cpu_ns: u64) -> Run {
        let is_engine = side == Side::Engine;
        Run {
            side,
            load: LoadReport {
                sent: 1000,
                ..LoadReport::default()
            },
            in_window: 1000,
            window_ns,
            time: ThreadTime {
                cpu_ns,
                waited_ns: 0,
            },
            outcome: Outcome {
                envelopes: 1000,
                published: if is_engine { 900 } else { 0 },
                turns: 50,
                losses: vec![("lane_full", if is_engine { 100 } else { 0 })],
                notes: vec![("no_buffers", 3)],
            },
        }
    }

    fn results() -> Results {
        let placement = Placement {
            receiver_core: 0,
            load_core: 1,
        };
        let mut results = Results::new(Work {
            scenario: Scenario::Tcp,
            bytes: 250,
            envelopes: 1000,
            apps: 100,
            placement,
        });
        for (ceiling, engine) in [(90_000, 200_000), (100_000, 190_000), (500_000, 900_000)] {
            results.add(run(Side::Ceiling, ceiling, 50_000));
            results.add(run(Side::Engine, engine, 100_000));
        }
        results
    }

    #[test]
    fn the_table_has_medians_ratios_and_losses() {
        let text = table(&[results()]);
        let row = text.lines().nth(1).unwrap();
        let words: Vec<_> = row.split_whitespace().collect();
        assert_eq!(words[..5], ["tcp", "250", "10.000", "5.000", "0.50"]);
        assert_eq!(words[5..8], ["50.0", "100.0", "0.50"]);
        assert_eq!(words[8..], ["50%", "50%", "20", "20", "90.0%"]);
        assert!(text.contains("engine   sent 3000  lane_full 300"), "{text}");
        assert!(!text.contains("ceiling  sent 3000  lane_full"), "{text}");
    }

    #[test]
    fn a_run_is_a_line_of_json() {
        let lines = results().json_lines(7);
        assert_eq!(lines.len(), 6);
        assert!(
            lines[0].starts_with("{\"unix_seconds\":7,\"scenario\":\"tcp\",\"side\":\"ceiling\",")
        );
        assert!(
            lines[1].contains("\"lane_full\":100,\"no_buffers\":3}"),
            "{}",
            lines[1]
        );
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![]).to_bits(), 0.0_f64.to_bits());
        assert_eq!(median(vec![3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median(vec![4.0, 1.0]).to_bits(), 2.5_f64.to_bits());
    }
}
