//! Runs the two sides by turns, each run with the same work, the load in a process of its own.

use crate::load::{LoadConfig, LoadReport};
use crate::receiver::{Outcome, Placement, Receiver, Side};
use crate::scenario::Scenario;
use crate::threads::{ThreadTime, monotonic_nanos, time_of};
use hydrant_engine::engine::{StartError, pin_to};
use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often the receiver's count is looked at while the last envelopes are on their way.
const LOOK: Duration = Duration::from_micros(200);
/// When nothing more has come for so long, nothing more will.
const SETTLED: Duration = Duration::from_millis(50);
/// How long a stream's rest may take.
const STREAM_REST_MAX: Duration = Duration::from_secs(10);

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A receiver did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The machine refused something.
    #[error("{0}: {1}")]
    Machine(&'static str, io::Error),
    /// The load failed.
    #[error("load: {0}")]
    Load(String),
    /// Something was lost that may not be.
    #[error("{scenario}, {side}: {sent} envelopes sent over a stream, {taken} taken in")]
    Lost {
        /// Where.
        scenario: &'static str,
        /// By whom.
        side: &'static str,
        /// What the load says.
        sent: u64,
        /// What the receiver says.
        taken: u64,
    },
}

/// What is the same in every run of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// How envelopes arrive.
    pub scenario: Scenario,
    /// Bytes of each.
    pub bytes: usize,
    /// How many.
    pub envelopes: u64,
    /// Of how many sources.
    pub apps: usize,
    /// Which core does what.
    pub placement: Placement,
}

/// One run of one side.
#[derive(Clone, Debug)]
pub struct Run {
    /// Which side.
    pub side: Side,
    /// What the load says.
    pub load: LoadReport,
    /// Envelopes taken in until the window's end.
    pub in_window: u64,
    /// From the first send until the load's end, or, on a stream, until the last envelope was in.
    pub window_ns: u64,
    /// The receiving thread's time over the whole run.
    pub time: ThreadTime,
    /// What the receiver ended with.
    pub outcome: Outcome,
}

impl Run {
    /// Envelopes taken in each second.
    pub fn envelopes_per_second(&self) -> f64 {
        self.in_window as f64 * 1e9 / self.window_ns.max(1) as f64
    }

    /// CPU time of the receiving thread for an envelope, in nanoseconds.
    pub fn cpu_ns(&self) -> f64 {
        self.time.cpu_ns as f64 / self.outcome.envelopes.max(1) as f64
    }

    /// The share of the window in which the receiving thread ran or was ready to.
    pub fn busy(&self) -> f64 {
        let busy_ns = self.time.cpu_ns + self.time.waited_ns;
        (busy_ns as f64 / self.window_ns.max(1) as f64).min(1.0)
    }

    /// The share of the window in which something else had the receiving thread's core.
    pub fn disturbed(&self) -> f64 {
        self.time.waited_ns as f64 / self.window_ns.max(1) as f64
    }

    /// Envelopes taken in between two looks at the kernel.
    pub fn envelopes_per_turn(&self) -> f64 {
        self.outcome.envelopes as f64 / self.outcome.turns.max(1) as f64
    }

    /// What the sender gave to the kernel and the receiver never saw.
    pub fn not_received(&self) -> u64 {
        self.load.sent.saturating_sub(self.outcome.envelopes)
    }
}

impl Work {
    /// Runs both sides `runs` times by turns, and gives each run to `each`.
    ///
    /// # Errors
    /// [`RunError`]; the runs before it have been given out.
    pub fn compare(&self, runs: usize, each: &mut impl FnMut(Run)) -> Result<(), RunError> {
        for _ in 0..runs {
            for side in Side::BOTH {
                each(self.run(side)?);
            }
        }
        Ok(())
    }

    /// Runs one side once.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn run(&self, side: Side) -> Result<Run, RunError> {
        let receiver = side.start(self.scenario, self.bytes, self.placement)?;
        let thread_name = receiver.thread_name();
        let before = time_of(&thread_name).map_err(machine("thread times"))?;
        // Pinned on a thread of its own: starting an engine wants to see all cores.
        let observed = thread::scope(|scope| {
            let observer = scope.spawn(|| self.observe(&receiver));
            observer
                .join()
                .unwrap_or_else(|_| Err(RunError::Load("the observer panicked".to_owned())))
        });
        let (load, in_window, window_ns) = observed?;
        let after = time_of(&thread_name).map_err(machine("thread times"))?;
        let taken = receiver.taken();
        let outcome = receiver.stop().map_err(machine("the receiver"))?;
        if self.scenario.is_lossless() && taken != load.sent {
            return Err(RunError::Lost {
                scenario: self.scenario.name(),
                side: side.name(),
                sent: load.sent,
                taken,
            });
        }
        Ok(Run {
            side,
            load,
            in_window,
            window_ns,
            time: after.since(before),
            outcome,
        })
    }

    /// Sends the load and follows it to its end: the load's report, the envelopes taken in within
    /// the window and its length.
    fn observe(&self, receiver: &Receiver) -> Result<(LoadReport, u64, u64), RunError> {
        let core = self.placement.load_core;
        pin_to(core).map_err(machine("pinning the observer"))?;
        let load = LoadConfig {
            bytes: self.bytes,
            apps: self.apps,
            count: Some(self.envelopes),
            ..self.scenario.load(receiver.address(), core)
        };
        let mut child = spawn(&load)?;
        let report = report_of(&mut child)?;
        if self.scenario.is_lossless() {
            await_all(receiver, report.sent);
        }
        let in_window = receiver.taken();
        let window_ns = monotonic_nanos().saturating_sub(report.started_ns);
        settle(receiver);
        let status = child.wait().map_err(machine("the load"))?;
        if status.success() {
            Ok((report, in_window, window_ns))
        } else {
            Err(RunError::Load(format!("ended with {status}")))
        }
    }
}

fn machine(what: &'static str) -> impl Fn(io::Error) -> RunError {
    move |error| RunError::Machine(what, error)
}

/// This program again, as the load.
fn spawn(load: &LoadConfig) -> Result<Child, RunError> {
    let program = std::env::current_exe().map_err(machine("our own program"))?;
    Command::new(program)
        .arg("load")
        .args(load.to_arguments())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(machine("the load"))
}

fn report_of(child: &mut Child) -> Result<LoadReport, RunError> {
    let Some(output) = child.stdout.take() else {
        return Err(RunError::Load("it has no output".to_owned()));
    };
    let mut line = String::new();
    BufReader::new(output)
        .read_line(&mut line)
        .map_err(machine("the load's report"))?;
    line.parse().map_err(RunError::Load)
}

/// Returns when all is in, or when too much time has gone by.
fn await_all(receiver: &Receiver, sent: u64) {
    let start = Instant::now();
    while receiver.taken() < sent && start.elapsed() < STREAM_REST_MAX {
        thread::sleep(LOOK);
    }
}

/// Returns when nothing has come for a while.
fn settle(receiver: &Receiver) {
    let mut taken = receiver.taken();
    let mut changed = Instant::now();
    while changed.elapsed() < SETTLED {
        thread::sleep(Duration::from_millis(5));
        let now_taken = receiver.taken();
        if now_taken != taken {
            taken = now_taken;
            changed = Instant::now();
        }
    }
}
