//! Drains that are away while the program itself comes and goes.

use crate::emitters::UdpEmitter;
use crate::envelopes::v1_log;
use crate::process::{Server, file, path, run, sum, wait_until};
use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

const LINES: usize = 10_000;
/// What goes in one write at most.
const BATCH_BYTES: usize = 64 * 1024;

struct Rig {
    directory: PathBuf,
    at: SocketAddr,
    config: String,
}

impl Rig {
    /// A drain that is not there: its port was free a moment ago.
    fn new() -> Self {
        let directory = path("spool");
        let at = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let config = format!(
            "[syslog.spool]\ndirectory = \"{}\"\n\
             [[syslog.drains]]\nurl = \"syslog://{at}?token=hush\"\n",
            directory.display()
        );
        Self {
            directory,
            at,
            config,
        }
    }

    /// Sends lines of these numbers, and waits until all are on disk but for those in memory.
    fn send_to_disk(&self, server: &Server, numbers: std::ops::Range<usize>) {
        let mut udp = UdpEmitter::new(server);
        let end = numbers.end as u64;
        for number in numbers {
            udp.send(&log(number));
            if number.is_multiple_of(100) {
                wait_until("the disk", || in_memory(server) < 300);
            }
        }
        udp.settle();
        server.wait_for("hydrant_session_selected_total", end);
        wait_until("the disk", || in_memory(server) == 0);
        assert_eq!(server.count("hydrant_lost_total stage=\"session\""), 0);
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.directory).ok();
    }
}

const WAITING: &str = "hydrant_session_waiting frontend=\"syslog\"";
const RECOVERED: &str = "hydrant_session_recovered_total";
const SPOOLED: &str = "hydrant_session_spooled";

/// Lines that would not outlive a kill.
fn in_memory(server: &Server) -> u64 {
    let scrape = server.get("/metrics");
    sum(&scrape, WAITING).saturating_sub(sum(&scrape, SPOOLED))
}

fn log(number: usize) -> Vec<u8> {
    v1_log("app", &format!("number {number} {}", "x".repeat(200)), 1)
}

fn receive(at: SocketAddr) -> JoinHandle<String> {
    let listener = TcpListener::bind(at).unwrap();
    thread::spawn(move || {
        let mut text = String::new();
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_to_string(&mut text).unwrap();
        text
    })
}

fn numbers(text: &str) -> Vec<usize> {
    let number = |line: &str| {
        let (_, after) = line.split_once(" number ").unwrap();
        after.split(' ').next().unwrap().parse().unwrap()
    };
    text.lines().map(number).collect()
}

#[test]
fn what_the_disk_has_outlives_a_kill() {
    let rig = Rig::new();
    let server = Server::start(&rig.config);
    rig.send_to_disk(&server, 0..LINES);
    wait_until("the last line", || {
        server.count(SPOOLED) + 300 > LINES as u64
    });
    let shown = run(&[
        "drains",
        "--operator",
        &format!("http://{}", server.operator),
    ]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(" on disk, "), "{shown}");
    server.signal("KILL");
    drop(server);
    let server = Server::start(&rig.config);
    let recovered = LINES as u64;
    server.wait_for(RECOVERED, recovered);
    let maybe_twice = server.count("hydrant_session_maybe_twice_total");
    let received = receive(rig.at);
    server.wait_for(
        "hydrant_session_delivered_total frontend=\"syslog\"",
        recovered,
    );
    let mut udp = UdpEmitter::new(&server);
    udp.send(&log(LINES));
    server.wait_for("hydrant_session_selected_total", recovered + 1);
    server.stop();
    let all = numbers(&received.join().unwrap());
    assert_eq!(all, (0..=LINES).collect::<Vec<_>>());
    assert!(maybe_twice * 250 < BATCH_BYTES as u64, "{maybe_twice}");
}

#[test]
fn a_kill_in_the_middle_of_delivery_sends_at_most_a_batch_twice() {
    let rig = Rig::new();
    let server = Server::start(&rig.config);
    rig.send_to_disk(&server, 0..LINES);
    // A peer that reads some of it, and no more.
    let listener = TcpListener::bind(rig.at).unwrap();
    let socket = socket2::SockRef::from(&listener);
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let mut first = vec![0; 300_000];
    stream.read_exact(&mut first).unwrap();
    server.signal("KILL");
    drop(server);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    first.extend(rest);
    drop((listener, stream));
    let server = Server::start(&rig.config);
    wait_until("the spool", || server.count(RECOVERED) > 0);
    let recovered = server.count(RECOVERED);
    let maybe_twice = server.count("hydrant_session_maybe_twice_total");
    let received = receive(rig.at);
    server.wait_for("hydrant_session_delivered_total", recovered);
    server.stop();
    let before = String::from_utf8(first).unwrap();
    let whole = before.rfind('\n').map_or(0, |end| end + 1);
    let before = numbers(&before[..whole]);
    let after = numbers(&received.join().unwrap());
    let twice = before.len() + after.len() - LINES;
    assert_eq!(after, (LINES - after.len()..LINES).collect::<Vec<_>>());
    assert_eq!(before, (0..before.len()).collect::<Vec<_>>());
    assert!(twice as u64 <= maybe_twice, "{twice} of {maybe_twice}");
    assert!(maybe_twice * 200 <= BATCH_BYTES as u64, "{maybe_twice}");
}

#[test]
fn a_stop_keeps_what_waits_and_the_next_start_delivers_it() {
    let rig = Rig::new();
    let server = Server::start(&rig.config);
    let mut udp = UdpEmitter::new(&server);
    (0..100).for_each(|number| udp.send(&log(number)));
    server.wait_for("hydrant_session_selected_total", 100);
    let said = server.stop();
    assert!(said.contains(" kept_on_disk 100 "), "{said}");
    assert!(!said.contains("hush"), "{said}");
    let server = Server::start(&rig.config);
    server.wait_for(RECOVERED, 100);
    let mut udp = UdpEmitter::new(&server);
    (100..200).for_each(|number| udp.send(&log(number)));
    server.wait_for("hydrant_session_selected_total", 200);
    let received = receive(rig.at);
    server.wait_for("hydrant_session_delivered_total", 200);
    let said = server.stop();
    assert!(said.contains(" recovered 100 "), "{said}");
    assert!(!said.contains("maybe_twice"), "{said}");
    let all = numbers(&received.join().unwrap());
    assert_eq!(all, (0..200).collect::<Vec<_>>());
}

#[test]
fn a_directory_that_cannot_be_had_ends_the_start() {
    let taken = file("no-directory", "");
    let config = format!(
        "[syslog.spool]\ndirectory = \"{}\"\n[[syslog.drains]]\nurl = \"syslog://127.0.0.1:9\"\n",
        taken.display()
    );
    let config = file("spool.toml", &config);
    let output = run(&["run", "--config", config.to_str().unwrap()]);
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("syslog.spool.directory: "), "{said}");
}
