//! HTTP/1.1 without TLS: places, heads, upgrades, stops.

use super::rig::{Rig, UPGRADE_REQUEST, eventually, get, read_all, read_to};
use crate::Limits;
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_connection_takes_one_request_after_another() {
    let rig = Rig::new(None, Limits::new(10));
    let mut stream = rig.dial();
    for _ in 0..3 {
        stream.write_all(get("/").as_bytes()).unwrap();
        let answer = read_to(&mut stream, "HTTP/1.1");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    assert_eq!(rig.counts.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_head_has_to_come_soon_the_next_one_too() {
    let mut limits = Limits::new(10);
    limits.head_timeout = Duration::from_millis(200);
    let rig = Rig::new(None, limits);
    let asked_at = Instant::now();
    for start in ["", "GET / HTTP/1.1\r\n", &get("/")] {
        let mut stream = rig.send(start);
        let answer = read_all(&mut stream);
        assert_eq!(
            answer.starts_with("HTTP/1.1 200 "),
            start.ends_with("\r\n\r\n")
        );
    }
    assert!(asked_at.elapsed() >= Duration::from_millis(600));
}

#[test]
fn a_head_has_so_many_bytes() {
    let mut limits = Limits::new(10);
    limits.head_bytes_max = 16 * 1024;
    let rig = Rig::new(None, limits);
    for (bytes, status) in [(15 * 1024, "200 OK"), (17 * 1024, "431 ")] {
        let token = "t".repeat(bytes);
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: {token}\r\n\r\n");
        let mut stream = rig.dial();
        // The answer may come before all of it is taken.
        stream.write_all(request.as_bytes()).ok();
        let answer = read_to(
            &mut stream,
            if status == "200 OK" {
                "HTTP/1.1"
            } else {
                "\r\n\r\n"
            },
        );
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
    }
}

#[test]
fn there_are_only_so_many_places() {
    let rig = Rig::new(None, Limits::new(2));
    let _both = [rig.send(&get("/wait")), rig.send(&get("/wait"))];
    eventually(|| rig.counts.waiting.load(Ordering::SeqCst) == 2);
    let mut third = rig.send(&get("/"));
    third
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let waited = std::io::Read::read(&mut third, &mut [0]);
    assert_eq!(waited.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(rig.counts.connections.load(Ordering::SeqCst), 2);
    drop(_both);
    third.set_read_timeout(Some(LONG)).unwrap();
    read_to(&mut third, "HTTP/1.1");
}

#[test]
fn who_was_upgraded_leaves_a_place() {
    let rig = Rig::new(None, Limits::new(1));
    let mut upgraded = Vec::new();
    for _ in 0..3 {
        let mut stream = rig.send(UPGRADE_REQUEST);
        let answer = read_to(&mut stream, "\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        upgraded.push(stream);
    }
    for stream in &mut upgraded {
        stream.write_all(b"echo").unwrap();
        assert_eq!(read_to(stream, "echo"), "echo");
    }
    // And no stop waits for it.
    assert!(rig.stop(LONG) < LONG);
}

#[test]
fn a_stop_waits_for_what_is_under_way_and_for_nobody_else() {
    let rig = Rig::new(None, Limits::new(10));
    let mut waiting = rig.send(&get("/wait"));
    let mut idle = rig.send(&get("/"));
    read_to(&mut idle, "HTTP/1.1");
    eventually(|| rig.counts.waiting.load(Ordering::SeqCst) == 1);
    let (address, go) = (rig.address, rig.go.clone());
    let answered = std::thread::spawn(move || {
        // The server is stopping: it has let go of who idles.
        assert_eq!(read_all(&mut idle), "");
        eventually(|| std::net::TcpStream::connect(address).is_err());
        go.notify_one();
        read_all(&mut waiting)
    });
    assert!(rig.stop(LONG) < LONG);
    let answer = answered.join().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[test]
fn a_stop_waits_until_its_deadline() {
    let rig = Rig::new(None, Limits::new(10));
    let _waiting = rig.send(&get("/wait"));
    eventually(|| rig.counts.waiting.load(Ordering::SeqCst) == 1);
    let within = Duration::from_millis(200);
    let took = rig.stop(within);
    assert!(took >= within && took < LONG, "{took:?}");
}
