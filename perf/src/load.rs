//! The load generator: envelopes of one kind to one loopback address, as fast as the kernel takes
//! them or at a rate. It always ends by itself, after a count or a time.

mod pace;
mod wire;

use crate::pool::{Pool, PoolConfig};
use crate::samples::Sample;
use crate::threads::monotonic_nanos;
use clap::{Args, ValueEnum};
use hydrant_engine::engine::pin_to;
use pace::Pace;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use wire::Wire;

/// No load runs longer than this.
pub const SECONDS_MAX: u64 = 600;
const SECONDS_DEFAULT: u64 = 5;

/// How envelopes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// A datagram each.
    Udp,
    /// Each behind its length.
    Tcp,
}

/// Which generation of envelopes travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// dropsonde LogMessages.
    V1,
    /// Logs with six tags.
    V2,
}

/// What to send, where to and for how long.
#[derive(Clone, Debug, Args)]
pub struct LoadConfig {
    /// Where to send to; loopback only
    #[arg(long)]
    pub address: SocketAddr,
    /// How envelopes travel
    #[arg(long, value_enum)]
    pub over: Transport,
    /// Which generation of envelopes
    #[arg(long, value_enum, default_value = "v2")]
    pub protocol: Protocol,
    /// Bytes of an envelope
    #[arg(long, default_value_t = 250)]
    pub bytes: usize,
    /// Envelopes a second; 0 is as fast as possible
    #[arg(long, default_value_t = 0)]
    pub rate: u64,
    /// Ends after so many envelopes
    #[arg(long)]
    pub count: Option<u64>,
    /// Ends after so many seconds; 5 if there is no count either
    #[arg(long)]
    pub seconds: Option<u64>,
    /// Sources
    #[arg(long, default_value_t = 100)]
    pub apps: usize,
    /// The last of every so many envelopes is malformed; 0 is none
    #[arg(long, default_value_t = 0)]
    pub malformed_period: usize,
    /// UDP: datagrams that the kernel cuts out of one send (UDP_SEGMENT); 1 is plain datagrams
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=128))]
    pub train: u16,
    /// Sockets, taken in turn
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub sockets: u16,
    /// The core to send from; any if not said
    #[arg(long)]
    pub core: Option<usize>,
}

/// Why no load could be sent, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Load is for this host only.
    #[error("{0} is not a loopback address; load goes nowhere else")]
    NotLoopback(SocketAddr),
    /// A figure is out of its bounds.
    #[error("{0}")]
    Config(String),
    /// The kernel refused.
    #[error("{what} {address}: {error}")]
    Kernel {
        /// What was tried.
        what: &'static str,
        /// Where to.
        address: SocketAddr,
        /// What it said.
        error: io::Error,
    },
}

/// What was sent. As text: `name=number` words, which [`FromStr`] reads back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Envelopes, the malformed ones included.
    pub sent: u64,
    /// Malformed ones among them.
    pub malformed: u64,
    /// Bytes on the wire, lengths included.
    pub bytes: u64,
    /// Before the first send, by the monotonic clock.
    pub started_ns: u64,
    /// After the last.
    pub ended_ns: u64,
}

impl LoadConfig {
    /// Load over `over` to `address`, everything else by default.
    pub fn new(address: SocketAddr, over: Transport) -> Self {
        Self {
            address,
            over,
            protocol: Protocol::V2,
            bytes: 250,
            rate: 0,
            count: None,
            seconds: None,
            apps: 100,
            malformed_period: 0,
            train: 64,
            sockets: 1,
            core: None,
        }
    }

    /// The command line that says the same.
    pub fn to_arguments(&self) -> Vec<String> {
        let over = match self.over {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        };
        let protocol = match self.protocol {
            Protocol::V1 => "v1",
            Protocol::V2 => "v2",
        };
        let mut arguments = vec![
            format!("--address={}", self.address),
            format!("--over={over}"),
            format!("--protocol={protocol}"),
            format!("--bytes={}", self.bytes),
            format!("--rate={}", self.rate),
            format!("--apps={}", self.apps),
            format!("--malformed-period={}", self.malformed_period),
            format!("--train={}", self.train),
            format!("--sockets={}", self.sockets),
        ];
        arguments.extend(self.count.map(|count| format!("--count={count}")));
        arguments.extend(self.seconds.map(|seconds| format!("--seconds={seconds}")));
        arguments.extend(self.core.map(|core| format!("--core={core}")));
        arguments
    }

    /// Seconds after which it ends in any case.
    fn seconds_bound(&self) -> u64 {
        match (self.seconds, self.count) {
            (Some(seconds), _) => seconds.min(SECONDS_MAX),
            (None, Some(_)) => SECONDS_MAX,
            (None, None) => SECONDS_DEFAULT,
        }
    }

    fn pool(&self) -> Result<Pool, LoadError> {
        let config = PoolConfig {
            sample: match self.protocol {
                Protocol::V1 => Sample::LogV1,
                Protocol::V2 => Sample::LogV2,
            },
            bytes: self.bytes,
            apps: self.apps,
            malformed_period: self.malformed_period,
            framed: self.over == Transport::Tcp,
        };
        Pool::new(&config).map_err(LoadError::Config)
    }

    fn kernel_error(&self, what: &'static str) -> impl Fn(io::Error) -> LoadError {
        let address = self.address;
        move |error| LoadError::Kernel {
            what,
            address,
            error,
        }
    }
}

/// Sends the load and reports. Pins the calling thread if the config names a core.
///
/// # Errors
/// Says what is wrong with the config, or what the kernel refused.
pub fn run(config: &LoadConfig) -> Result<LoadReport, LoadError> {
    if !config.address.ip().is_loopback() {
        return Err(LoadError::NotLoopback(config.address));
    }
    if let Some(core) = config.core {
        pin_to(core).map_err(|error| LoadError::Config(format!("core {core}: {error}")))?;
    }
    let pool = config.pool()?;
    let connect = || Wire::connect(config, &pool).map_err(config.kernel_error("cannot connect to"));
    let mut wires = (0..config.sockets)
        .map(|_| connect())
        .collect::<Result<Vec<_>, _>>()?;
    send_all(config, &pool, &mut wires).map_err(config.kernel_error("cannot send to"))
}

fn send_all(config: &LoadConfig, pool: &Pool, wires: &mut [Wire]) -> io::Result<LoadReport> {
    let mut pace = Pace::new(config.count, config.seconds_bound(), config.rate);
    let started_ns = monotonic_nanos();
    let mut first = 0;
    let mut turn = 0;
    while let Some(count) = pace.next(wires[turn].batch_max().min(pool.count() - first)) {
        wires[turn].send(pool, first, count)?;
        pace.sent(count);
        first = (first + count) % pool.count();
        turn = (turn + 1) % wires.len();
    }
    Ok(LoadReport {
        sent: pace.sent_count(),
        malformed: pool.malformed_of(pace.sent_count()),
        bytes: pace.sent_count() * pool.stride() as u64,
        started_ns,
        ended_ns: monotonic_nanos(),
    })
}

impl LoadReport {
    /// Seconds from the first send to the last.
    pub fn seconds(&self) -> f64 {
        self.ended_ns.saturating_sub(self.started_ns) as f64 / 1e9
    }

    fn place(&mut self, name: &str) -> Option<&mut u64> {
        Some(match name {
            "sent" => &mut self.sent,
            "malformed" => &mut self.malformed,
            "bytes" => &mut self.bytes,
            "started_ns" => &mut self.started_ns,
            "ended_ns" => &mut self.ended_ns,
            _ => return None,
        })
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sent,
            malformed,
            bytes,
            started_ns,
            ended_ns,
        } = self;
        write!(
            f,
            "sent={sent} malformed={malformed} bytes={bytes} \
             started_ns={started_ns} ended_ns={ended_ns}"
        )
    }
}

impl FromStr for LoadReport {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut report = Self::default();
        for word in text.split_whitespace() {
            let unreadable = || format!("the load says {word:?}");
            let (name, number) = word.split_once('=').ok_or_else(unreadable)?;
            let place = report.place(name).ok_or_else(unreadable)?;
            *place = number.parse().ok().ok_or_else(unreadable)?;
        }
        if report.sent == 0 {
            return Err("the load has sent nothing".to_owned());
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::io::Read;
    use std::net::{TcpListener, UdpSocket};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        load: LoadConfig,
    }

    fn small(address: SocketAddr, over: Transport) -> LoadConfig {
        LoadConfig {
            count: Some(200),
            malformed_period: 7,
            sockets: 2,
            ..LoadConfig::new(address, over)
        }
    }

    #[test]
    fn only_loopback() {
        let config = small(SocketAddr::from(([192, 0, 2, 1], 9)), Transport::Udp);
        let error = run(&config).unwrap_err();
        assert!(matches!(error, LoadError::NotLoopback(_)), "{error}");
    }

    #[test]
    fn frames_arrive_over_tcp_and_the_report_says_how_many() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let config = small(listener.local_addr().unwrap(), Transport::Tcp);
        let report = run(&config).unwrap();
        let mut received = 0;
        for _ in 0..config.sockets {
            let mut bytes = Vec::new();
            listener
                .accept()
                .unwrap()
                .0
                .read_to_end(&mut bytes)
                .unwrap();
            assert!(bytes.chunks(254).all(|frame| frame[..4] == [250, 0, 0, 0]));
            received += bytes.len() / 254;
        }
        assert_eq!((report.sent, received), (200, 200));
        assert_eq!((report.malformed, report.bytes), (28, 200 * 254));
        assert_eq!(report.to_string().parse(), Ok(report));
    }

    #[test]
    fn trains_and_plain_datagrams_arrive_as_datagrams() {
        for train in [1, 16] {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let config = LoadConfig {
                train,
                count: Some(40),
                ..small(socket.local_addr().unwrap(), Transport::Udp)
            };
            assert_eq!(run(&config).unwrap().sent, 40);
            let mut buffer = [0; 2048];
            for _ in 0..40 {
                assert_eq!(socket.recv(&mut buffer).unwrap(), 250);
            }
        }
    }

    #[test]
    fn a_config_survives_its_command_line() {
        let config = LoadConfig {
            core: Some(1),
            seconds: Some(3),
            ..small(SocketAddr::from(([127, 0, 0, 1], 9)), Transport::Udp)
        };
        let line = [vec!["load".to_owned()], config.to_arguments()].concat();
        let read = Line::try_parse_from(line).unwrap().load;
        assert_eq!(format!("{read:?}"), format!("{config:?}"));
    }

    #[test]
    fn it_always_has_an_end() {
        let mut config = LoadConfig::new(SocketAddr::from(([127, 0, 0, 1], 9)), Transport::Udp);
        assert_eq!(config.seconds_bound(), SECONDS_DEFAULT);
        config.count = Some(u64::MAX);
        assert_eq!(config.seconds_bound(), SECONDS_MAX);
        config.seconds = Some(u64::MAX);
        assert_eq!(config.seconds_bound(), SECONDS_MAX);
    }
}
