//! Drains that are away while their lines wait on disk.

use super::bound::{binding, set};
use super::*;
use crate::config::SpoolConfig;
use crate::keeper::folder_name;
use crate::spool::test_folder;
use hydrant_bindings::Binding;
use std::fs;
use std::path::{Path, PathBuf};

const LINE_BYTES: usize = 1000;

/// A spool's directory, removed with all in it when the test ends well.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new(name: &str) -> Self {
        Self(test_folder(name))
    }

    pub(super) fn config(&self, drains: &[DrainConfig]) -> SyslogConfig {
        SyslogConfig {
            drains: drains.to_vec(),
            outbox_bytes: ByteSize::mib(1),
            spool: Some(SpoolConfig::of(self.0.clone())),
            ..Default::default()
        }
    }

    fn entries(&self) -> Vec<PathBuf> {
        entries(&self.0)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

impl Rig {
    fn spooling(config: &SyslogConfig) -> Self {
        Self::of(config, None, Patience::default())
    }

    /// Publishes logs of app `a` and waits until all but a few of them are on disk.
    pub(super) fn publish_to_disk(&mut self, drain: usize, numbers: std::ops::Range<usize>) {
        let session = self.session(drain);
        for start in numbers.clone().step_by(100) {
            let end = numbers.end.min(start + 100);
            self.publish_logs("a", start..end, LINE_BYTES);
            let waits = || {
                session
                    .counters
                    .waiting()
                    .saturating_sub(session.spool.lines())
            };
            let selected = || session.counters.get(SessionCounter::Selected);
            wait_until("the disk", || selected() >= end as u64 && waits() < 150);
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn wait_for_failure(session: &SessionState) {
    wait_until("a retry", || session.note().contains("retry in"));
}

fn all_numbers(bytes: &[u8]) -> Vec<usize> {
    numbers(&lines(bytes))
}

#[test]
fn a_drain_that_was_away_gets_everything_in_order() {
    let directory = Directory::new("away");
    let (socket, address) = reserve();
    let mut rig = Rig::spooling(&directory.config(&[drain(address, "", None)]));
    let session = rig.session(0);
    rig.publish_logs("a", 0..1, LINE_BYTES);
    wait_for_failure(&session);
    // Many times what the outbox can hold.
    rig.publish_to_disk(0, 1..8000);
    assert!(session.spool.bytes() > 7_000_000);
    socket.listen(8).unwrap();
    let received = receive(socket.into());
    wait_until("a connection", || session.note() == "connected");
    rig.publish_logs("a", 8000..8100, LINE_BYTES);
    let ended = rig.end(PATIENTLY);
    ended.assert_lossless();
    assert_eq!(all_numbers(&received()), (0..8100).collect::<Vec<_>>());
    assert_eq!(ended.count(0, SessionCounter::Kept), 0);
    assert_eq!((session.spool.lines(), session.spool.bytes()), (0, 0));
    assert_eq!(directory.entries(), Vec::<PathBuf>::new());
}

#[test]
fn a_peer_that_stops_reading_and_goes_on_gets_every_line_once() {
    let directory = Directory::new("deaf");
    let (listener, address) = listen();
    let mut rig = Rig::spooling(&directory.config(&[drain(address, "", None)]));
    let session = rig.session(0);
    rig.publish_to_disk_when_stuck(&session);
    let count = usize::try_from(session.counters.get(SessionCounter::Selected)).unwrap();
    let received = receive(listener);
    rig.publish_logs("a", count..count + 100, LINE_BYTES);
    rig.end(PATIENTLY).assert_lossless();
    let expected: Vec<_> = (0..count + 100).collect();
    assert_eq!(all_numbers(&received()), expected);
}

impl Rig {
    /// Publishes until the peer takes nothing more and some of it is on disk.
    fn publish_to_disk_when_stuck(&mut self, session: &SessionState) {
        let mut count = 0;
        let selected = || session.counters.get(SessionCounter::Selected);
        while session.spool.lines() < 1000 {
            self.publish_logs("a", count..count + 100, LINE_BYTES);
            count += 100;
            wait_until("reading", || selected() == count as u64);
            let on_disk = session.spool.lines();
            if session.counters.waiting() > on_disk + 400 {
                wait_until("the disk", || session.spool.lines() > on_disk);
            }
        }
    }
}

/// One try is enough: on a busy machine a connection may take so long that the drain seems away.
#[test]
fn a_drain_that_keeps_up_costs_the_disk_nothing() {
    let touches = |_| {
        let directory = Directory::new("idle");
        let (listener, address) = listen();
        let received = receive(listener);
        let mut rig = Rig::spooling(&directory.config(&[drain(address, "", None)]));
        let session = rig.session(0);
        for number in 0..20 {
            rig.publish_logs("a", number * 10..number * 10 + 10, LINE_BYTES);
            let delivered = || session.counters.get(SessionCounter::Delivered);
            wait_until("delivery", || delivered() == 10 * (number as u64 + 1));
        }
        let is_touched = !directory.entries().is_empty();
        rig.end(PATIENTLY).assert_lossless();
        assert_eq!(lines(&received()).len(), 200);
        is_touched
    };
    assert!(!(0..20).all(touches));
}

#[test]
fn what_is_too_much_is_lost_oldest_first_and_counted() {
    let directory = Directory::new("bounded");
    let (socket, address) = reserve();
    let mut config = directory.config(&[drain(address, "", None)]);
    let spool = config.spool.as_mut().unwrap();
    spool.bytes_per_drain = ByteSize::mib(1);
    let mut rig = Rig::spooling(&config);
    let session = rig.session(0);
    rig.publish_logs("a", 0..1, LINE_BYTES);
    wait_for_failure(&session);
    rig.publish_to_disk(0, 1..4000);
    assert!(session.spool.bytes() <= 1 << 20);
    socket.listen(8).unwrap();
    let received = receive(socket.into());
    let ended = rig.end(PATIENTLY);
    ended.assert_balanced();
    let lost = ended.count(0, SessionCounter::SpoolFull);
    let bytes = received();
    let mut all = all_numbers(&bytes);
    assert_eq!(all.len() as u64 + lost, 4000);
    assert!(lost > 2000 && all.len() > 500, "{lost} lost");
    // One batch was at hand and is not lost; the rest is the newest.
    let newest = all.split_off(all.iter().take_while(|it| **it < 1000).count());
    assert_eq!(newest, (4000 - newest.len()..4000).collect::<Vec<_>>());
}

#[test]
fn what_waits_at_a_stop_is_delivered_after_the_next_start_before_new_lines() {
    let directory = Directory::new("stop");
    let (socket, address) = reserve();
    let config = directory.config(&[drain(address, "token=hush", None)]);
    let mut rig = Rig::spooling(&config);
    rig.publish_logs("a", 0..100, 10);
    let ended = rig.end(Duration::from_millis(50));
    ended.assert_lossless();
    assert_eq!(ended.count(0, SessionCounter::Kept), 100);
    assert_eq!(ended.state.sessions()[0].counters.waiting(), 0);
    // What is in nobody's memory is in the directory, whose names say nothing.
    assert_eq!(directory.entries().len(), 1);
    let names = format!("{:?}", entries(&directory.entries()[0]));
    assert!(!names.contains("hush") && !names.contains("127"), "{names}");

    let mut rig = Rig::spooling(&config);
    let session = rig.session(0);
    rig.publish_logs("a", 100..150, 10);
    wait_for_failure(&session);
    assert_eq!(session.counters.get(SessionCounter::Selected), 150);
    socket.listen(8).unwrap();
    let received = receive(socket.into());
    let ended = rig.end(PATIENTLY);
    ended.assert_lossless();
    assert_eq!(ended.count(0, SessionCounter::Recovered), 100);
    assert_eq!(ended.count(0, SessionCounter::MaybeTwice), 0);
    assert_eq!(all_numbers(&received()), (0..150).collect::<Vec<_>>());
}

#[test]
fn lines_that_were_spoilt_on_disk_are_counted_and_not_delivered() {
    let directory = Directory::new("spoilt");
    let (socket, address) = reserve();
    let config = directory.config(&[drain(address, "", None)]);
    let mut rig = Rig::spooling(&config);
    let session = rig.session(0);
    rig.publish_logs("a", 0..1, 10);
    wait_for_failure(&session);
    wait_until("the disk", || {
        session.spool.lines() == 1 || session.spool.bytes() > 0
    });
    rig.publish_to_disk(0, 1..1000);
    rig.end(Duration::ZERO).assert_lossless();
    let segment = entries(&directory.entries()[0]).remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let rig = Rig::spooling(&config);
    socket.listen(8).unwrap();
    let received = receive(socket.into());
    let ended = rig.end(PATIENTLY);
    ended.assert_balanced();
    let lost = ended.count(0, SessionCounter::SpoolCorrupt);
    assert!(lost > 0);
    assert_eq!(ended.count(0, SessionCounter::Recovered), 1000);
    let bytes = received();
    let all = all_numbers(&bytes);
    assert!(all.is_sorted());
    assert_eq!(all.len() as u64 + lost, 1000);
}

#[test]
fn without_a_disk_a_drain_goes_on_from_memory() {
    let directory = Directory::new("no-disk");
    let (socket, address) = reserve();
    let config = directory.config(&[drain(address, "", None)]);
    let name = folder_name(&config.bindings().unwrap()[0]);
    // Looked into, it is no folder; written to, it is not either.
    for is_there_before in [true, false] {
        let path = directory.0.join(&name);
        if is_there_before {
            fs::write(&path, "").unwrap();
        }
        let mut rig = Rig::spooling(&config);
        let session = rig.session(0);
        if !is_there_before {
            wait_until("its opening", || session.note().contains("no line yet"));
            rig.publish_logs("a", 0..0, 10);
            thread::sleep(Duration::from_millis(50));
            fs::write(&path, "").unwrap();
        }
        rig.publish_logs("a", 0..100, 10);
        wait_until("the failure", || session.error().contains("spool"));
        if is_there_before {
            let ended = rig.end(Duration::ZERO);
            ended.assert_balanced();
            assert_eq!(ended.count(0, SessionCounter::Gone), 100);
        } else {
            socket.listen(8).unwrap();
            let received = receive(socket.try_clone().unwrap().into());
            rig.end(PATIENTLY).assert_lossless();
            assert_eq!(all_numbers(&received()), (0..100).collect::<Vec<_>>());
        }
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn what_the_disk_does_not_take_at_the_end_is_counted() {
    let directory = Directory::new("end");
    let (_socket, address) = reserve();
    let mut rig = Rig::spooling(&directory.config(&[drain(address, "", None)]));
    let session = rig.session(0);
    rig.publish_logs("a", 0..1, 10);
    wait_for_failure(&session);
    wait_until("the disk", || session.spool.bytes() > 0);
    // Nothing can be made there any more.
    let moved = directory.0.with_extension("moved");
    fs::rename(&directory.0, &moved).unwrap();
    for folder in entries(&moved) {
        fs::remove_dir_all(folder).unwrap();
    }
    // The file that is open takes what a segment has, and there is no other.
    let has_failed = || session.error().contains("spool");
    for number in 1..200 {
        rig.publish_logs("a", number..number + 1, 60_000);
        let selected = || session.counters.get(SessionCounter::Selected);
        let in_memory = || {
            session
                .counters
                .waiting()
                .saturating_sub(session.spool.lines())
        };
        let is_moved = || in_memory() < 5;
        wait_until("reading", || selected() == number as u64 + 1);
        wait_until("the disk", || is_moved() || has_failed());
    }
    wait_until("the failure", has_failed);
    let ended = rig.end(Duration::ZERO);
    ended.assert_balanced();
    assert!(ended.count(0, SessionCounter::SpoolFailed) > 0);
    fs::remove_dir_all(moved).unwrap();
}

fn with_certificate(binding: &Binding, certificate: &str) -> Binding {
    let mut changed = binding.clone();
    changed.credentials.cert = certificate.into();
    changed
}

#[test]
fn a_binding_whose_certificate_changes_keeps_its_lines() {
    let directory = Directory::new("certificate");
    let (socket, address) = reserve();
    let old = binding(&format!("syslog://{address}"), Some("a"));
    let new = with_certificate(&old, "new");
    let (sender, changes) = watch::channel(set(std::slice::from_ref(&old)));
    let mut rig = Rig::of(&directory.config(&[]), Some(&changes), Patience::default());
    let session = rig.session(0);
    rig.publish_logs("a", 0..1, LINE_BYTES);
    wait_for_failure(&session);
    rig.publish_to_disk(0, 1..300);
    sender.send_replace(set(std::slice::from_ref(&new)));
    let state = rig.syslog.states().remove(0);
    let sessions = || state.sessions();
    let recovered = |session: &SessionState| session.counters.get(SessionCounter::Recovered);
    wait_until("the new session", || {
        sessions().len() == 1 && recovered(&sessions()[0]) == 300
    });
    let (_, retired) = state.over().remove(0);
    assert_eq!(retired.get(SessionCounter::Kept), 300);
    assert_eq!(retired.waiting(), 0);
    // Another that differs in its certificate too is served beside it, from memory.
    sender.send_replace(set(&[new, with_certificate(&old, "third")]));
    wait_until("the third session", || sessions().len() == 2);
    rig.publish_logs("a", 300..400, 10);
    socket.listen(8).unwrap();
    let received = in_background(move || {
        let listener = TcpListener::from(socket);
        let accept = || read_all(listener.accept().unwrap().0);
        [accept(), accept()]
    });
    rig.end(PATIENTLY).assert_lossless();
    let both = received();
    let mut both = both.each_ref().map(|bytes| all_numbers(bytes));
    both.sort_by_key(Vec::len);
    assert_eq!(both[0], (300..400).collect::<Vec<_>>());
    assert_eq!(both[1], (0..400).collect::<Vec<_>>());
}

#[test]
fn lines_of_a_drain_that_never_comes_back_are_kept_for_their_time_and_counted() {
    let directory = Directory::new("expired");
    let (_socket, address) = reserve();
    let mut config = directory.config(&[drain(address, "", None)]);
    let mut rig = Rig::spooling(&config);
    rig.publish_logs("a", 0..100, 10);
    rig.end(Duration::ZERO).assert_lossless();
    assert_eq!(directory.entries().len(), 1);
    config.drains.clear();
    config.spool.as_mut().unwrap().keep_retired_s = 1;
    let rig = Rig::spooling(&config);
    let state = rig.syslog.states().remove(0);
    wait_until("its removal", || !state.over().is_empty());
    assert_eq!(directory.entries(), Vec::<PathBuf>::new());
    let (name, counters) = state.over().remove(0);
    assert_eq!(name, "retired");
    assert_eq!(counters.get(SessionCounter::SpoolExpired), 100);
    assert_eq!(counters.waiting(), 0);
    rig.end(PATIENTLY).assert_lossless();
}

#[test]
fn a_directory_that_cannot_be_had_is_said_at_the_start() {
    let directory = Directory::new("taken");
    let rig = Rig::spooling(&directory.config(&[]));
    let again = start(&directory.config(&[]), Vec::new(), &Hooks::default());
    let error = again.unwrap_err().to_string();
    assert!(error.starts_with("syslog.spool.directory: "), "{error}");
    assert!(error.ends_with("another process has it"), "{error}");
    rig.end(PATIENTLY).assert_lossless();
}
