//! A thousand WebSocket clients, of whom a hundred never read.

use crate::clients::never_reading;
use crate::emitters::TcpEmitter;
use crate::envelopes::{framed, v1_log};
use crate::ledger::count_of;
use crate::process::{PATIENCE, Server, wait_until};
use futures_util::StreamExt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::LocalSet;
use tokio_websockets::ClientBuilder;

const READING: u64 = 900;
const DEAF: u64 = 100;
/// Each goes to every client; the kernel holds some of them for the deaf ones.
const LOGS: u64 = 300;
const TEXT_BYTES: usize = 16_000;
/// Logs that a reader may be behind the emitter: a part of its outbox.
const AHEAD: u64 = 4;

/// Runs so many readers of an app's stream on a thread, until each has all logs.
fn readers(server: SocketAddr, received: Arc<[AtomicU64]>) -> std::thread::JoinHandle<()> {
    let (connected, is_connected) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let local = LocalSet::new();
        for reader in 0..received.len() {
            let (received, connected) = (received.clone(), connected.clone());
            local.spawn_local(async move {
                let url = format!("ws://{server}/apps/app/stream");
                let builder = ClientBuilder::new().uri(&url).unwrap();
                let (mut stream, _) = builder.connect().await.unwrap();
                connected.send(()).unwrap();
                for _ in 0..LOGS {
                    loop {
                        let message = stream.next().await.unwrap().unwrap();
                        assert!(!message.is_close(), "{message:?}");
                        if message.is_binary() {
                            break;
                        }
                    }
                    received[reader].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        runtime.block_on(local);
    });
    for _ in 0..READING {
        is_connected.recv_timeout(PATIENCE).unwrap();
    }
    thread
}

#[test]
fn a_hundred_deaf_clients_cost_nine_hundred_others_nothing() {
    // Half of it in equal shares is two batches of 64 KiB and more for each: what readers may be behind.
    let limits = "outbox_bytes = \"1 MiB\"\noutboxes_bytes = \"320 MiB\"";
    let server = Server::start_with(limits, "");
    let received: Arc<[AtomicU64]> = (0..READING).map(|_| AtomicU64::new(0)).collect();
    let count_of_slowest = || {
        let counts = received.iter().map(|count| count.load(Ordering::Relaxed));
        counts.min().unwrap_or(0)
    };
    let deaf: Vec<_> = (0..DEAF)
        .map(|_| never_reading(server.websocket, "/apps/app/stream"))
        .collect();
    let reading = readers(server.websocket, received.clone());
    let memory_before = server.resident_bytes();
    let text = "x".repeat(TEXT_BYTES);
    let mut emitter = TcpEmitter::new(server.tcp_v1);
    for number in 0..LOGS {
        let log = v1_log("app", &text, i64::try_from(number).unwrap());
        emitter.send(&framed(&log));
        wait_until("the readers", || count_of_slowest() + AHEAD > number);
    }
    wait_until("the last of them", || count_of_slowest() == LOGS);
    reading.join().unwrap();
    wait_until("the deaf to be closed", || sessions(&server) == 0);
    let lost = server.count("hydrant_lost_total reason=\"slow_consumer\"");
    let crowded = server.count("hydrant_lost_total reason=\"outbox_full\"");
    assert!(lost > 0, "none was closed by the rule");
    let memory = server.resident_bytes().saturating_sub(memory_before);
    assert!(memory < 300 << 20, "{memory} bytes more");
    drop(deaf);
    let ledger = server.stop();
    let over = ledger.lines().find(|line| line.contains("stream, over: "));
    let over = over.unwrap();
    // What the kernel took for the deaf is delivered as far as we can know.
    let selected = count_of(over, "selected");
    let delivered = count_of(over, "delivered");
    assert_eq!(selected, delivered + lost + crowded, "{over}");
    assert!(delivered >= READING * LOGS, "{over}");
}

/// Those that are open: a line each, but for the one of their sums.
fn sessions(server: &Server) -> usize {
    let open = "hydrant_session_waiting{frontend=\"websocket\",session=\"/apps/app/stream\"";
    server.get("/metrics").matches(open).count()
}
