//! `hydrant demo`: the server under a load of many apps, and live figures on one screen.

use crate::config::Config;
use crate::ledger::Ledger;
use crate::server::{Server, StartError};
use crate::state::ServerState;
use futures_util::StreamExt;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::counters::Counter;
use hydrant_engine::record::source_hash;
use hydrant_feed::counters::SessionCounter;
use hydrant_proto::v1::{Envelope, LogMessage, envelope::EventType, log_message::MessageType};
use prost::Message;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio_websockets::ClientBuilder;

/// What the demonstration shows.
#[derive(Clone, Copy, Debug)]
pub struct Demo {
    /// How many apps log.
    pub apps: u32,
    /// Envelopes a second, of all apps together.
    pub rate: u32,
    /// When to stop; 0 is when told to.
    pub seconds: u64,
}

/// How often envelopes are sent, and how often figures change.
const BURST_EVERY: Duration = Duration::from_millis(5);
const SHOW_EVERY: Duration = Duration::from_secs(1);
/// What came in may take this long to leave.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

impl Demo {
    /// Starts a server on ports of the kernel's choice, loads it, shows it; stops when `stop` is set
    /// or the time is over, and prints the ledger.
    ///
    /// # Errors
    /// As [`Server::start`].
    #[expect(clippy::print_stdout, reason = "this is what it is for")]
    pub fn run(&self, stop: &Arc<AtomicBool>) -> Result<(), StartError> {
        let server = Server::start(&config())?;
        let (state, sent) = (server.state().clone(), Arc::new(AtomicU64::new(0)));
        let target = server.engine().udp_addresses().first().copied();
        let Some(target) = target.filter(|_| self.apps > 0) else {
            return Ok(());
        };
        let reader = spawn_reader(&server, stop.clone());
        let writer = thread::spawn({
            let (demo, stop, sent) = (*self, stop.clone(), sent.clone());
            move || demo.emit(target, &stop, &sent)
        });
        self.show(&server, &state, &sent, stop);
        stop.store(true, Ordering::Release);
        let emitted = writer.join();
        let (ledger, _) = server.stop(STOP_DEADLINE);
        let read = reader.join();
        println!("\nsent {}\n{ledger}", sent.load(Ordering::Relaxed));
        if !matches!(emitted, Ok(Ok(()))) || read.is_err() {
            println!("the load did not run to its end");
        }
        Ok(())
    }

    /// Sends logs of all apps in turn, in bursts that make up the rate.
    fn emit(&self, target: SocketAddr, stop: &AtomicBool, sent: &AtomicU64) -> io::Result<()> {
        let socket = UdpSocket::bind((target.ip(), 0))?;
        socket.connect(target)?;
        let (start, mut app) = (Instant::now(), 0);
        while !stop.load(Ordering::Acquire) {
            let due = start.elapsed().as_secs_f64() * f64::from(self.rate);
            while (sent.load(Ordering::Relaxed) as f64) < due {
                socket.send(&log_of(app).encode_to_vec())?;
                app = (app + 1) % self.apps;
                sent.fetch_add(1, Ordering::Relaxed);
            }
            thread::sleep(BURST_EVERY);
        }
        Ok(())
    }

    fn show(&self, server: &Server, state: &ServerState, sent: &AtomicU64, stop: &AtomicBool) {
        let start = Instant::now();
        let screen = io::stdout().is_terminal();
        let mut before = Figures::of(state, sent);
        let lasts = |start: Instant| self.seconds == 0 || start.elapsed().as_secs() < self.seconds;
        while lasts(start) && !stop.load(Ordering::Acquire) {
            thread::sleep(SHOW_EVERY);
            let now = Figures::of(state, sent);
            let text = match screen {
                true => format!("\x1b[2J\x1b[H{}", self.screen(server, state, &before, &now)),
                false => now.line(&before),
            };
            // Nobody who looks is a reason to stop looking, not to fail.
            if writeln!(io::stdout(), "{text}").is_err() {
                return;
            }
            before = now;
        }
    }

    fn screen(
        &self,
        server: &Server,
        state: &ServerState,
        before: &Figures,
        now: &Figures,
    ) -> String {
        let mut text = format!(
            "Hydrant: {} apps log {} envelopes a second; Ctrl-C ends it\n\n{server}\n\n{}\n\n",
            self.apps,
            self.rate,
            now.line(before)
        );
        for (index, shard) in state.shards.iter().enumerate() {
            for (lane, worker) in shard.lanes.iter().zip(&state.frontends) {
                let (depth, size) = (lane.gauge.depth_bytes(), lane.gauge.ring_bytes());
                // Writing to a String cannot fail.
                writeln!(
                    text,
                    "lane shard-{index} → {}: {depth} of {size} bytes",
                    worker.frontend
                )
                .ok();
            }
        }
        writeln!(text, "\n{}", Ledger::of(state)).ok();
        text
    }
}

#[derive(Clone, Copy, Debug)]
struct Figures {
    at: Instant,
    sent: u64,
    received: u64,
    delivered: u64,
    lost: u64,
    busy_nanos: u64,
}

impl Figures {
    fn of(state: &ServerState, sent: &AtomicU64) -> Self {
        let sum = |counter| {
            state
                .shards
                .iter()
                .map(|shard| shard.counters.get(counter))
                .sum()
        };
        let malformed: u64 = state
            .shards
            .iter()
            .map(|shard| shard.counters.malformed())
            .sum();
        let kernel: u64 = state
            .shards
            .iter()
            .map(|shard| shard.counters.kernel_dropped())
            .sum();
        let lanes: u64 = Ledger::of(state)
            .frontends
            .iter()
            .map(|frontend| frontend.lanes.map_or(0, |[.., full]| full))
            .sum();
        let sessions = state.frontends.iter().flat_map(|worker| worker.sessions());
        let (mut delivered, mut undelivered) = (0, 0);
        for session in sessions {
            delivered += session.counters.get(SessionCounter::Delivered);
            let losses = SessionCounter::LOSSES.iter();
            undelivered += losses.map(|loss| session.counters.get(*loss)).sum::<u64>();
        }
        Self {
            at: Instant::now(),
            sent: sent.load(Ordering::Relaxed),
            received: sum(Counter::Received),
            delivered,
            lost: malformed + kernel + lanes + undelivered,
            busy_nanos: sum(Counter::TurnNanos),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for the eye")]
    fn line(&self, before: &Self) -> String {
        let seconds = (self.at - before.at).as_secs_f64();
        let rate = |now: u64, before: u64| (now.saturating_sub(before)) as f64 / seconds;
        let received = self.received.saturating_sub(before.received);
        let busy = self.busy_nanos.saturating_sub(before.busy_nanos);
        format!(
            "sent {:>9.0}/s   received {:>9.0}/s   delivered {:>9.0}/s   lost {}   shard {:>5.2} % \
             busy, {} ns an envelope",
            rate(self.sent, before.sent),
            rate(self.received, before.received),
            rate(self.delivered, before.delivered),
            self.lost,
            rate(self.busy_nanos, before.busy_nanos) / 1e7,
            busy.checked_div(received).unwrap_or(0),
        )
    }
}

/// Ports of the kernel's choice, so that it runs beside a real one.
fn config() -> Config {
    let mut config = Config::default();
    for udp in &mut config.engine.udp {
        udp.address.set_port(0);
    }
    for tcp in &mut config.engine.tcp {
        tcp.address.set_port(0);
    }
    config.websocket.address.set_port(0);
    config.grpc.enabled = false;
    config.operator.address.set_port(0);
    config
}

/// A firehose session that reads and discards.
fn spawn_reader(server: &Server, stop: Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let address = server.websocket_address();
    thread::spawn(move || {
        let Some(address) = address else { return };
        let url = format!("ws://{address}/firehose/demo");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            let Ok(builder) = ClientBuilder::new().uri(&url) else {
                return;
            };
            let Ok((mut stream, _)) = builder.connect().await else {
                return;
            };
            while let Some(Ok(_)) = stream.next().await {}
            stop.store(true, Ordering::Release);
        });
    })
}

fn log_of(app: u32) -> Envelope {
    let now = i64::try_from(UnixNanos::now().0).unwrap_or(i64::MAX);
    // An id that looks like an app's guid and is always the same for the same app.
    let [a, b] = [0, 1].map(|part| source_hash(&[&app.to_le_bytes()[..], &[part]].concat()));
    let (a, b) = (format!("{a:016x}"), format!("{b:016x}"));
    let guid = format!(
        "{}-{}-{}-{}-{}",
        &a[..8],
        &a[8..12],
        &a[12..],
        &b[..4],
        &b[4..]
    );
    Envelope {
        origin: "demo".to_owned(),
        event_type: EventType::LogMessage.into(),
        timestamp: Some(now),
        log_message: Some(LogMessage {
            message: format!("GET /orders/{} took {} ms", now % 100_000, now % 97).into(),
            message_type: MessageType::Out.into(),
            timestamp: now,
            app_id: Some(guid),
            source_type: Some("APP/PROC/WEB".to_owned()),
            source_instance: Some((app % 4).to_string()),
        }),
        ..Envelope::default()
    }
}
