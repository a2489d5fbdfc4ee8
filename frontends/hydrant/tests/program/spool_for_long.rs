//! A drain that is away for a long time, while the program is killed and started again. It takes a
//! few seconds; `just away 600` makes it ten minutes.

use crate::envelopes::v1_log;
use crate::process::{Server, path, wait_until};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const LINES_A_SECOND: usize = 1_000;
const SECONDS: usize = 4;
/// What goes in one write at most, and so may come twice.
const BATCH_BYTES: usize = 64 * 1024;
const LINE_BYTES: usize = 300;

/// Removes the spool, however the test ends.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

#[test]
fn a_drain_is_away_at_a_thousand_lines_a_second_and_a_kill_meanwhile() {
    let seconds = std::env::var("HYDRANT_AWAY_S").map_or(SECONDS, |text| text.parse().unwrap());
    let folder = Folder(path("long-spool"));
    // Its port was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let drain = listener.local_addr().unwrap();
    drop(listener);
    let config = format!(
        "[syslog.spool]\ndirectory = \"{}\"\n[[syslog.drains]]\nurl = \"syslog://{drain}\"\n",
        folder.0.display()
    );
    let killed_at = seconds * LINES_A_SECOND / 2;
    let end = killed_at * 2;

    let server = Server::start(&config);
    send(&server, 0..killed_at);
    server.wait_for(SELECTED, killed_at as u64);
    let on_disk = usize::try_from(server.count(SPOOLED)).unwrap();
    server.signal("KILL");
    drop(server);

    let server = Server::start(&config);
    wait_until("the spool", || server.count(RECOVERED) >= on_disk as u64);
    let recovered = usize::try_from(server.count(RECOVERED)).unwrap();
    let maybe_twice = usize::try_from(server.count(MAYBE_TWICE)).unwrap();
    send(&server, killed_at..end);
    let lines = recovered + end - killed_at;
    server.wait_for(SELECTED, lines as u64);
    let listener = TcpListener::bind(drain).unwrap();
    let received = receive(&listener, lines);
    let said = server.stop();

    println!(
        "{seconds} s: {on_disk} of {killed_at} on disk at the kill, {recovered} recovered, \
         {maybe_twice} maybe twice; {lines} received in order"
    );
    // Everything that the disk had, without a gap; then everything since.
    let expected: Vec<_> = (0..recovered).chain(killed_at..end).collect();
    assert!(received == expected, "not what was sent, in order");
    assert!(recovered >= on_disk, "{recovered} of {on_disk}");
    assert!(maybe_twice * LINE_BYTES <= BATCH_BYTES, "{maybe_twice}");
    assert!(!said.contains("lost"), "{said}");
}

/// Sends lines of these numbers at their rate.
fn send(server: &Server, numbers: Range<usize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.udp).unwrap();
    let start = Instant::now();
    for (index, number) in numbers.enumerate() {
        let due = Duration::from_secs(index as u64) / u32::try_from(LINES_A_SECOND).unwrap();
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        let text = format!("number {number} {}", "x".repeat(LINE_BYTES - 100));
        socket.send(&v1_log("app", &text, 1)).unwrap();
    }
}

/// Takes so many lines, and gives their numbers.
fn receive(listener: &TcpListener, count: usize) -> Vec<usize> {
    let (stream, _) = listener.accept().unwrap();
    let lines = BufReader::new(stream).lines();
    let number = |line: String| {
        let (_, after) = line.split_once(" number ").unwrap();
        after.split(' ').next().unwrap().parse().unwrap()
    };
    lines
        .map(|line| number(line.unwrap()))
        .take(count)
        .collect()
}

const SELECTED: &str = "hydrant_session_selected_total";
const RECOVERED: &str = "hydrant_session_recovered_total";
const SPOOLED: &str = "hydrant_session_spooled";
const MAYBE_TWICE: &str = "hydrant_session_maybe_twice_total";
