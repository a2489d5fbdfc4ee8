//! A running `hydrant`, and what it says.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The program.
pub(crate) const HYDRANT: &str = env!("CARGO_BIN_EXE_hydrant");

/// Listeners on ports of the kernel's choice.
const PORTS: &str = r#"
[[engine.udp]]
address = "127.0.0.1:0"

[[engine.tcp]]
address = "127.0.0.1:0"

[[engine.tcp]]
address = "127.0.0.1:0"
version = "v2"

[websocket]
address = "127.0.0.1:0"
insecure = false
SESSIONS

[grpc]
address = "127.0.0.1:0"
STREAMS

[operator]
address = "127.0.0.1:0"
"#;

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A server process. Killed if a test drops it. Where it does not listen, the port is 0.
pub(crate) struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// What it said at its start, the memory plan among it.
    pub(crate) start: String,
    pub(crate) udp: SocketAddr,
    pub(crate) tcp_v1: SocketAddr,
    pub(crate) tcp_v2: SocketAddr,
    pub(crate) websocket: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) gateway: SocketAddr,
    pub(crate) operator: SocketAddr,
    pub(crate) log_cache: SocketAddr,
    pub(crate) log_cache_gateway: SocketAddr,
    pub(crate) log_cache_syslog: SocketAddr,
}

impl Server {
    /// Starts one; `more` is added to the config file.
    pub(crate) fn start(more: &str) -> Self {
        Self::start_with("", more)
    }

    /// As `start`, with keys for the `[websocket]` table.
    pub(crate) fn start_with(websocket: &str, more: &str) -> Self {
        Self::run(&(PORTS.replace("SESSIONS", websocket).replace("STREAMS", "") + more))
    }

    /// As `start`, with keys for the `[grpc]` table.
    pub(crate) fn start_grpc(grpc: &str, more: &str) -> Self {
        Self::run(&(PORTS.replace("SESSIONS", "").replace("STREAMS", grpc) + more))
    }

    /// Starts one with this config file and nothing else.
    pub(crate) fn run(config: &str) -> Self {
        let mut child = Command::new(HYDRANT)
            .args(["run", "--config"])
            .arg(file("config.toml", config))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let start = read_until(&mut stdout, "ready");
        let at = |what: &str, index| {
            let mut lines = start.lines().filter(|line| line.starts_with(what));
            let address_of = |line: &str| address(line.rsplit(' ').next().unwrap());
            lines.nth(index).map_or(NOWHERE, address_of)
        };
        Self {
            udp: at("envelopes over UDP", 0),
            tcp_v1: at("envelopes over TCP", 0),
            tcp_v2: at("envelopes over TCP", 1),
            websocket: at("firehose and app streams", 0),
            grpc: at("envelopes and readers over gRPC", 0),
            gateway: at("server-sent events", 0),
            operator: at("metrics and health", 0),
            log_cache: at("Log Cache over gRPC", 0),
            log_cache_gateway: at("Log Cache over HTTP", 0),
            log_cache_syslog: at("syslog for Log Cache", 0),
            start,
            child,
            stdout,
        }
    }

    /// What the operator's endpoint answers: head and body.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.operator).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// What the Traffic Controller's end answers: head and body, not chunked.
    pub(crate) fn websocket_get(&self, path: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.websocket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    /// The sum of a counter over all its labels.
    pub(crate) fn count(&self, metric: &str) -> u64 {
        sum(&self.get("/metrics"), metric)
    }

    /// Waits until a counter stands at `count`.
    pub(crate) fn wait_for(&self, metric: &str, count: u64) {
        wait_until(metric, || self.count(metric) >= count);
        assert_eq!(self.count(metric), count, "{metric}");
    }

    /// Bytes of memory that the process really uses.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &process])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// What it says up to a line that contains `text`.
    pub(crate) fn read_until(&mut self, text: &str) -> String {
        read_until(&mut self.stdout, text)
    }

    /// SIGTERM; gives what it said then. It must have balanced its ledger.
    pub(crate) fn stop(mut self) -> String {
        self.signal("TERM");
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).unwrap();
        assert!(self.child.wait().unwrap().success(), "{said}");
        assert!(said.contains("the ledger balances; 0 under way"), "{said}");
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The sum of a counter over all its labels, in a scrape.
pub(crate) fn sum(scrape: &str, metric: &str) -> u64 {
    let (name, label) = metric.split_once(' ').unwrap_or((metric, ""));
    let lines = scrape.lines().filter(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['{', ' ']))
            && line.contains(label)
    });
    lines
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

/// Looks again and again until something holds.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "still waiting for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    Command::new(HYDRANT).args(arguments).output().unwrap()
}

/// The path of a file that this test run may make.
pub(crate) fn path(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    folder.join(format!("{}-{number}-{name}", std::process::id()))
}

/// A file of this test run.
pub(crate) fn file(name: &str, text: &str) -> PathBuf {
    let path = path(name);
    fs::write(&path, text).unwrap();
    path
}

/// A port that nobody has at the moment, for who has to be told before it listens.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Says that a test cannot run, past the capture of output.
pub(crate) fn skip(test: &str, why: &str) {
    let text = format!("SKIPPED {test}: {why}; `just peers` installs it\n");
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

fn read_until(stdout: &mut impl BufRead, text: &str) -> String {
    let mut said = String::new();
    while !said.contains(text) {
        assert!(stdout.read_line(&mut said).unwrap() > 0, "it ended: {said}");
    }
    said
}

fn address(text: &str) -> SocketAddr {
    let text = text
        .strip_prefix("ws://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or(text);
    let (address, _path) = text.split_once('/').unwrap_or((text, ""));
    address.parse().unwrap()
}
