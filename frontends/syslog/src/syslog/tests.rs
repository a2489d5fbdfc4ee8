//! The worker with real sockets: receivers are threads on loopback, ports the kernel's choice.

use super::*;
use crate::config::DrainConfig;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::counters::LaneCounter;
use hydrant_engine::decode;
use hydrant_engine::lanes::{Lanes as ShardLanes, connect};
use hydrant_engine::record::{SourceRule, Version, source_hash};
use hydrant_engine::route::{Demand, Routes};
use hydrant_feed::counters::{FeedCounter, SessionCounter};
use hydrant_feed::session::SessionState;
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::v2::{Envelope, Gauge, GaugeValue, Log};
use prost::Message as _;
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant as StdInstant;

mod bound;
mod secure;
mod spool;

/// Far longer than anything here takes, on however busy a machine.
const PATIENTLY: Duration = Duration::from_secs(60);
const LANE_BYTES: usize = 32 << 20;

/// A worker with a shard in front of it.
struct Rig {
    shard: ShardLanes,
    routes: Routes,
    syslog: Syslog,
}

/// What is left of a worker after its end.
struct Ended {
    state: Arc<FrontendState>,
    outcome: io::Result<()>,
}

impl Rig {
    fn new(drains: &[DrainConfig]) -> Self {
        Self::with(drains, ByteSize::mib(32), Patience::default())
    }

    fn with(drains: &[DrainConfig], outbox_bytes: ByteSize, patience: Patience) -> Self {
        let config = SyslogConfig {
            drains: drains.to_vec(),
            outbox_bytes,
            ..Default::default()
        };
        Self::of(&config, None, patience)
    }

    fn of(config: &SyslogConfig, changes: Option<&Changes>, patience: Patience) -> Self {
        let hooks = Hooks {
            bindings: changes.cloned(),
            tell: None,
        };
        let mut readers = [LaneReader::new().unwrap()];
        let shard = connect(&mut readers, LANE_BYTES);
        let [reader] = readers;
        let cells = [reader.demand()];
        let syslog = start_with(config, vec![(reader, None)], &hooks, patience).unwrap();
        Self {
            shard,
            routes: Routes::new(&cells),
            syslog,
        }
    }

    fn publish(&mut self, envelope: &Envelope) {
        let bytes = envelope.encode_to_vec();
        let rule = SourceRule::DeploymentJob;
        let checked = decode::envelope(&bytes, Version::V2, rule).unwrap();
        let header = checked.header(UnixNanos(0));
        self.shard.publish(self.routes.of(&header), &header, &bytes);
    }

    /// Logs of one app whose payloads start with their numbers and have `bytes` bytes.
    fn publish_logs(&mut self, app: &str, numbers: std::ops::Range<usize>, bytes: usize) {
        for number in numbers {
            self.publish(&log(app, &format!("{number} {}", "x".repeat(bytes))));
        }
        self.shard.commit();
    }

    fn session(&self, drain: usize) -> Arc<SessionState> {
        self.syslog.states()[0].sessions()[drain].clone()
    }

    /// Ends the shard and joins the worker.
    fn end(self, deadline: Duration) -> Ended {
        let lanes = self.shard.states();
        assert_eq!(lanes[0].counters.get(LaneCounter::Full), 0);
        let state = self.syslog.states().remove(0);
        drop(self.shard);
        let outcome = self.syslog.join(deadline);
        Ended { state, outcome }
    }
}

impl Ended {
    fn count(&self, drain: usize, counter: SessionCounter) -> u64 {
        self.state.sessions()[drain].counters.get(counter)
    }

    /// Every record and every line is somewhere.
    fn assert_balanced(&self) {
        self.outcome.as_ref().unwrap();
        assert_eq!(self.state.feed.unbalanced(), 0);
        for session in self.state.sessions() {
            let get = |counter| session.counters.get(counter);
            let lost: u64 = SessionCounter::LOSSES.map(get).iter().sum();
            let settled = get(SessionCounter::Delivered) + get(SessionCounter::Kept) + lost;
            assert_eq!(get(SessionCounter::Selected), settled, "{session:?}");
            assert_eq!(session.note(), "stopped");
        }
    }

    fn assert_lossless(&self) {
        self.assert_balanced();
        for session in self.state.sessions() {
            for loss in SessionCounter::LOSSES {
                assert_eq!(session.counters.get(loss), 0, "{session:?}");
            }
        }
    }
}

fn log(app: &str, payload: &str) -> Envelope {
    Envelope {
        source_id: app.to_owned(),
        message: Some(Message::Log(Log {
            payload: payload.to_owned().into(),
            ..Default::default()
        })),
        ..Default::default()
    }
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address where nobody listens until the socket is told to.
fn reserve() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

fn drain(address: SocketAddr, query: &str, app: Option<&str>) -> DrainConfig {
    DrainConfig {
        url: format!("syslog://{address}?{query}"),
        app: app.map(str::to_owned),
        ..Default::default()
    }
}

/// Does its part on a thread; what it gives is waited for with a limit.
fn in_background<T: Send + 'static>(part: impl FnOnce() -> T + Send + 'static) -> impl Fn() -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(part()).ok());
    move || receiver.recv_timeout(PATIENTLY).unwrap()
}

/// Accepts one connection and reads it to its end.
fn receive(listener: TcpListener) -> impl Fn() -> Vec<u8> {
    in_background(move || read_all(listener.accept().unwrap().0))
}

fn read_all(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// The octet-counted lines, and what is left of one that was cut.
fn split(mut bytes: &[u8]) -> (Vec<&str>, &[u8]) {
    let mut lines = Vec::new();
    loop {
        let digit_count = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
        let digits = std::str::from_utf8(&bytes[..digit_count]).unwrap();
        let octet_count: usize = digits.parse().unwrap_or(usize::MAX);
        let start = digit_count + 1;
        if bytes.len() < start.saturating_add(octet_count) {
            return (lines, bytes);
        }
        assert_eq!(bytes[digit_count], b' ');
        let (line, rest) = bytes.split_at(start + octet_count);
        lines.push(std::str::from_utf8(&line[start..]).unwrap());
        bytes = rest;
    }
}

/// The lines of a connection that was ended in order.
fn lines(bytes: &[u8]) -> Vec<&str> {
    let (lines, rest) = split(bytes);
    assert!(rest.is_empty(), "{rest:?}");
    assert!(lines.iter().all(|line| line.ends_with('\n')));
    lines
}

fn app_of(line: &str) -> &str {
    line.split(' ').nth(3).unwrap()
}

fn number_of(line: &str) -> usize {
    line.split(' ').nth(7).unwrap().trim().parse().unwrap()
}

fn numbers(lines: &[&str]) -> Vec<usize> {
    lines.iter().map(|line| number_of(line)).collect()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = StdInstant::now() + PATIENTLY;
    while !is_so() {
        assert!(StdInstant::now() < until, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn lines_of_all_apps_arrive_in_order_and_an_apps_drain_gets_only_its_own() {
    let apps = ["a", "b", "c", "d"];
    let (all, all_address) = listen();
    let (one, one_address) = listen();
    let (all, one) = (receive(all), receive(one));
    let mut rig = Rig::new(&[
        drain(all_address, "", None),
        drain(one_address, "drain-data=all", Some("c")),
    ]);
    for number in 0..10_000 {
        let app = apps[number % apps.len()];
        rig.publish(&log(app, &format!("{number} payload")));
        rig.shard.commit();
    }
    let ended = rig.end(PATIENTLY);
    ended.assert_lossless();
    let bytes = all();
    let all = lines(&bytes);
    assert_eq!(all.len(), 10_000);
    for (index, app) in apps.iter().enumerate() {
        let own = all.iter().copied().filter(|line| app_of(line) == *app);
        let own: Vec<_> = own.collect();
        let expected: Vec<_> = (index..10_000).step_by(apps.len()).collect();
        assert_eq!(numbers(&own), expected);
    }
    let bytes = one();
    let one = lines(&bytes);
    assert!(one.iter().all(|line| app_of(line) == "c"));
    assert_eq!(numbers(&one), (2..10_000).step_by(4).collect::<Vec<_>>());
    assert_eq!(ended.state.feed.get(FeedCounter::Messages), 10_000);
    assert_eq!(ended.count(1, SessionCounter::Delivered), 2500);
}

/// More than an outbox holds is there at once: it has to leave while the rest is read, as far as
/// the receiver takes it. On a busy machine its thread may not get to do so, but one try in which
/// it does is enough: if each turn let only one batch out, lines would be lost in every one.
#[test]
fn lines_leave_while_more_are_read() {
    assert!((0..20).any(|_| lines_lost_from_a_full_lane() == 0));
}

fn lines_lost_from_a_full_lane() -> u64 {
    const LINES: usize = 8192;
    let (listener, address) = listen();
    let received = receive(listener);
    let url = [drain(address, "", None)];
    let mut rig = Rig::with(&url, ByteSize::kib(512), Patience::default());
    let session = rig.session(0);
    rig.publish_logs("a", 0..1, 200);
    wait_until("a connection", || session.note() == "connected");
    rig.publish_logs("a", 1..LINES, 200);
    let ended = rig.end(PATIENTLY);
    ended.assert_balanced();
    let lost = ended.count(0, SessionCounter::OutboxFull);
    assert_eq!(lines(&received()).len() as u64 + lost, LINES as u64);
    lost
}

#[test]
fn only_what_a_drain_wants_is_demanded() {
    let (listener, address) = listen();
    let received = receive(listener);
    let mut rig = Rig::new(&[
        drain(address, "drain-data=metrics", None),
        drain(address, "", Some("a")),
    ]);
    rig.publish(&log("b", "0"));
    let metrics = ["x", "y", "z"].map(|name| (name.to_owned(), GaugeValue::default()));
    rig.publish(&Envelope {
        source_id: "b".to_owned(),
        message: Some(Message::Gauge(Gauge {
            metrics: metrics.into(),
        })),
        ..Default::default()
    });
    rig.shard.commit();
    let counters = rig.shard.states()[0].counters.clone();
    assert_eq!(counters.get(LaneCounter::Unwanted), 1);
    assert_eq!(counters.get(LaneCounter::Published), 1);
    let ended = rig.end(PATIENTLY);
    ended.assert_lossless();
    assert_eq!(lines(&received()).len(), 3);
    assert_eq!(ended.state.feed.get(FeedCounter::Extra), 2);
    assert_eq!(ended.count(1, SessionCounter::Selected), 0);
}

#[test]
fn after_the_peers_close_lines_go_into_a_new_connection() {
    let (listener, address) = listen();
    let received = in_background(move || {
        let (mut first, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        let mut chunk = [0; 1000];
        while split(&bytes).0.len() < 50 {
            let count = first.read(&mut chunk).unwrap();
            bytes.extend_from_slice(&chunk[..count]);
        }
        drop(first);
        (bytes, read_all(listener.accept().unwrap().0))
    });
    let mut rig = Rig::new(&[drain(address, "", None)]);
    let session = rig.session(0);
    rig.publish_logs("a", 0..50, 10);
    wait_until("the close is seen", || session.note().contains("closed"));
    assert_eq!(session.note(), "not connected: closed by the peer");
    rig.publish_logs("a", 50..100, 10);
    rig.end(PATIENTLY).assert_lossless();
    let (first, second) = received();
    assert_eq!(numbers(&lines(&first)), (0..50).collect::<Vec<_>>());
    assert_eq!(numbers(&lines(&second)), (50..100).collect::<Vec<_>>());
}

#[test]
fn a_line_that_was_cut_comes_again_whole_and_none_is_lost_or_doubled() {
    const LINES: usize = 250;
    let (listener, address) = listen();
    socket2::SockRef::from(&listener)
        .set_recv_buffer_size(4096)
        .unwrap();
    // The first connection is read only when the worker has given it up and made another. On a busy
    // machine others may follow; one without a byte is ours, and the last.
    let received = in_background(move || {
        let (first, _) = listener.accept().unwrap();
        let more = || Some(read_all(listener.accept().unwrap().0));
        let more = std::iter::from_fn(more).take_while(|bytes| !bytes.is_empty());
        let mut connections: Vec<_> = more.collect();
        connections.insert(0, read_all(first));
        connections
    });
    let patience = Patience {
        stuck: Duration::from_millis(300),
        ..Default::default()
    };
    let url = [drain(address, "", None)];
    let mut rig = Rig::with(&url, ByteSize::mib(32), patience);
    rig.publish_logs("a", 0..LINES, 60_001);
    rig.end(PATIENTLY).assert_lossless();
    drop(TcpStream::connect(address).unwrap());
    let connections = received();
    assert!(connections.len() > 1, "the kernel took everything");
    let mut all = Vec::new();
    let mut cut: &[u8] = b"";
    for bytes in &connections {
        assert_eq!(cut, &bytes[..cut.len()], "again from its beginning");
        let (whole, rest) = split(bytes);
        all.extend(numbers(&whole));
        cut = rest;
    }
    assert_eq!(all, (0..LINES).collect::<Vec<_>>());
    assert!(cut.is_empty());
}

#[test]
fn a_peer_that_never_reads_costs_only_its_own_lines() {
    const LINE_BYTES: usize = 1000;
    const OUTBOX_BYTES: u64 = 256 * 1024;
    let (deaf, deaf_address) = listen();
    let (good, good_address) = listen();
    let good = receive(good);
    let drains = [drain(deaf_address, "", None), drain(good_address, "", None)];
    let mut rig = Rig::with(&drains, ByteSize::b(OUTBOX_BYTES), Patience::default());
    let [deaf_session, good_session] = [0, 1].map(|drain| rig.session(drain));
    let lost = || deaf_session.counters.get(SessionCounter::OutboxFull);
    let mut count = 0;
    while lost() < 1000 {
        rig.publish_logs("a", count..count + 100, LINE_BYTES);
        count += 100;
        let delivered = || good_session.counters.get(SessionCounter::Delivered);
        wait_until("the other drain", || delivered() == count as u64);
        let waiting = deaf_session.counters.waiting() * LINE_BYTES as u64;
        assert!(waiting <= OUTBOX_BYTES + 2 * 64 * 1024, "{waiting}");
    }
    let ended = rig.end(Duration::ZERO);
    ended.assert_balanced();
    assert!(ended.count(0, SessionCounter::Gone) > 0);
    assert!(ended.count(0, SessionCounter::Delivered) > 0);
    let bytes = good();
    assert_eq!(numbers(&lines(&bytes)), (0..count).collect::<Vec<_>>());
    assert_eq!(ended.count(1, SessionCounter::Delivered), count as u64);
    drop(deaf);
}

#[test]
fn a_drain_that_comes_up_late_gets_everything() {
    let (socket, address) = reserve();
    let mut rig = Rig::new(&[drain(address, "", None)]);
    let session = rig.session(0);
    assert_eq!(session.note(), "not connected: no line yet");
    rig.publish_logs("a", 0..100, 10);
    wait_until("a retry", || session.note().contains("retry in"));
    assert!(session.note().starts_with("connecting: Connection refused"));
    socket.listen(8).unwrap();
    let received = receive(socket.into());
    wait_until("a connection", || session.note() == "connected");
    rig.publish_logs("a", 100..200, 10);
    rig.end(PATIENTLY).assert_lossless();
    assert_eq!(numbers(&lines(&received())), (0..200).collect::<Vec<_>>());
}

#[test]
fn what_waits_at_the_end_is_written_even_to_a_drain_that_is_not_there_yet() {
    let (socket, address) = reserve();
    let mut rig = Rig::new(&[drain(address, "", None)]);
    rig.publish_logs("a", 0..100, 10);
    let session = rig.session(0);
    wait_until("a retry", || session.note().contains("retry in"));
    drop(rig.shard);
    let state = rig.syslog.states().remove(0);
    let joined = in_background(move || rig.syslog.join(PATIENTLY));
    socket.listen(8).unwrap();
    let received = receive(socket.into());
    let outcome = joined();
    Ended { state, outcome }.assert_lossless();
    assert_eq!(lines(&received()).len(), 100);
}

#[test]
fn what_is_not_written_at_the_deadline_is_counted() {
    let (_socket, address) = reserve();
    let mut rig = Rig::new(&[drain(address, "", None)]);
    rig.publish_logs("a", 0..100, 10);
    let ended = rig.end(Duration::from_millis(50));
    ended.assert_balanced();
    assert_eq!(ended.count(0, SessionCounter::Gone), 100);
}

#[test]
fn a_deadline_ends_a_write_that_is_stuck() {
    let (listener, address) = listen();
    let mut rig = Rig::new(&[drain(address, "", None)]);
    rig.publish_logs("a", 0..250, 60_001);
    let session = rig.session(0);
    wait_until("the write", || {
        session.counters.get(SessionCounter::Delivered) > 0
    });
    let ended = rig.end(Duration::from_millis(50));
    ended.assert_balanced();
    let (stream, _) = listener.accept().unwrap();
    let bytes = read_all(stream);
    let delivered = split(&bytes).0.len();
    assert_eq!(delivered as u64, ended.count(0, SessionCounter::Delivered));
    assert_eq!(250 - delivered as u64, ended.count(0, SessionCounter::Gone));
}

#[test]
fn a_worker_that_nobody_holds_ends_with_its_shards() {
    let (_socket, address) = reserve();
    let mut rig = Rig::new(&[drain(address, "", None)]);
    rig.publish_logs("a", 0..10, 10);
    let session = rig.session(0);
    drop(rig);
    wait_until("its end", || session.note() == "stopped");
    assert_eq!(session.counters.get(SessionCounter::Gone), 10);
}

#[test]
fn a_join_does_not_wait_for_a_shard_that_stays() {
    let rig = Rig::new(&[]);
    let error = rig.syslog.join(Duration::ZERO).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    drop(rig.shard);
}

#[test]
fn secrets_are_shown_nowhere() {
    let (_socket, address) = reserve();
    let config = DrainConfig {
        url: format!("syslog://user:hush@{address}/p?token=hush#hush"),
        app: None,
        ..Default::default()
    };
    let mut rig = Rig::new(&[config]);
    rig.publish_logs("a", 0..1, 0);
    let session = rig.session(0);
    wait_until("a retry", || session.note().contains("retry in"));
    let shown = format!("{session:?} {:?}", rig.syslog);
    assert!(
        !shown.contains("hush") && !shown.contains("user"),
        "{shown}"
    );
    assert_eq!(session.name, format!("syslog://{address}/p"));
    assert_eq!(session.peer, address.to_string());
    rig.end(Duration::ZERO).assert_balanced();
}

#[test]
fn a_peer_is_an_address_with_its_port() {
    for (url, peer) in [
        ("syslog://Logs.example:1?a=b", "Logs.example:1"),
        ("syslog://[2001:db8::1]:514", "[2001:db8::1]:514"),
    ] {
        let config = DrainConfig {
            url: url.to_owned(),
            ..Default::default()
        };
        let rig = Rig::new(&[config]);
        assert_eq!(rig.session(0).peer, peer);
        rig.end(PATIENTLY).assert_lossless();
    }
}

#[test]
fn a_worker_that_cannot_start_says_why() {
    let try_start = |url: &str, core| {
        let config = SyslogConfig {
            drains: vec![DrainConfig {
                url: url.to_owned(),
                app: Some("a".to_owned()),
                ..Default::default()
            }],
            ..Default::default()
        };
        let workers = vec![(LaneReader::new().unwrap(), core)];
        start(&config, workers, &Hooks::default()).map(|syslog| syslog.states()[0].core)
    };
    let error = try_start("syslog://h", None).unwrap_err().to_string();
    assert!(error.starts_with("syslog.drains[0].url: "), "{error}");
    let error = try_start("syslog://h:1", Some(1023)).unwrap_err();
    assert!(matches!(error, StartError::Ring(_)), "{error}");
    let core = hydrant_engine::config::available_cores()[0];
    assert_eq!(try_start("syslog://h:1", Some(core)).unwrap(), Some(core));
}

#[test]
fn a_drains_app_is_demanded_by_its_hash() {
    let (_socket, address) = reserve();
    let config = SyslogConfig {
        drains: vec![drain(address, "drain-data=traces", Some("a"))],
        ..Default::default()
    };
    let reader = LaneReader::new().unwrap();
    let demand = reader.demand();
    let syslog = start(&config, vec![(reader, None)], &Hooks::default()).unwrap();
    let timers = hydrant_engine::record::KindSet::of(&[hydrant_engine::record::Kind::Timer]);
    let expected = Demand::none().with_source(source_hash(b"a"), timers);
    assert_eq!(*demand.current(), expected);
    syslog.join(PATIENTLY).unwrap();
}
