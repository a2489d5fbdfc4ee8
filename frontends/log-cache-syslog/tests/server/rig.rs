//! A server and its senders.

use crate::node::{Node, PATIENCE, wait_until};
use hydrant_feed::counters::{FeedCounter, SessionCounter};
use hydrant_log_cache_syslog::{LogCacheSyslogConfig, Report, Server, SyslogCounter, start};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

pub(crate) struct Rig {
    pub(crate) server: Server,
    pub(crate) node: Node,
    told: Arc<Mutex<String>>,
}

/// A log of this source.
pub(crate) fn log(source_id: &str, text: &str) -> String {
    format!("<14>1 2023-11-14T22:13:20.123456+00:00 host {source_id} [APP/0] - - {text}\n")
}

/// With its octet count.
pub(crate) fn counted(message: impl AsRef<[u8]>) -> Vec<u8> {
    let message = message.as_ref();
    [format!("{} ", message.len()).as_bytes(), message].concat()
}

impl Rig {
    pub(crate) fn start(set: impl FnOnce(&mut LogCacheSyslogConfig)) -> Self {
        let (node, address) = Node::start();
        Self::before(node, address, set)
    }

    pub(crate) fn before(
        node: Node,
        address: SocketAddr,
        set: impl FnOnce(&mut LogCacheSyslogConfig),
    ) -> Self {
        let mut config = LogCacheSyslogConfig {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            node_address: address.to_string(),
            ..LogCacheSyslogConfig::default()
        };
        set(&mut config);
        let told = Arc::<Mutex<String>>::default();
        let lines = told.clone();
        let report = Report::new(move |line| *lines.lock().unwrap() += &format!("{line}\n"));
        let server = start(&config, report).unwrap();
        Self { server, node, told }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub(crate) fn send(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        stream
    }

    pub(crate) fn count(&self, counter: SyslogCounter) -> u64 {
        self.server.counters.get(counter)
    }

    pub(crate) fn wait_for(&self, counter: SyslogCounter, count: u64) {
        wait_until(counter.name(), || self.count(counter) >= count);
    }

    pub(crate) fn session(&self, counter: SessionCounter) -> u64 {
        self.server.worker.sessions()[0].counters.get(counter)
    }

    pub(crate) fn told(&self) -> String {
        self.told.lock().unwrap().clone()
    }

    /// Stops it: the ledger has to balance, with nothing left. Gives what was selected.
    pub(crate) fn stop(self) -> u64 {
        let (worker, counters) = (self.server.worker.clone(), self.server.counters.clone());
        self.server.stop(PATIENCE).unwrap();
        assert_eq!(worker.feed.unbalanced(), 0);
        assert_eq!(worker.feed.get(FeedCounter::NoForm), counters.invalid());
        let session = &worker.sessions()[0].counters;
        let selected = session.get(SessionCounter::Selected);
        assert_eq!(session.waiting(), 0);
        assert_eq!(worker.feed.get(FeedCounter::Messages), selected);
        selected
    }
}

/// Whether the server closes the connection; it must not send anything.
pub(crate) fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 16]) {
        Ok(count) => count == 0,
        // It was closed with bytes unread.
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}
