//! Clients that do what they should not, beside one that does nothing wrong.

use super::{Reader, Sender, batch, block_on, channel, logs, numbered, open, until};
use crate::certificates::{Authority, DOPPLER, table};
use crate::process::Server;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use hydrant_proto::plumbing;
use hydrant_rpc::doppler_ingestor::DopplerIngestorClient;
use hydrant_rpc::tls::ClientTls;
use prost::Message;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::{JoinHandle, yield_now};
use tonic::Code;

/// Streams opened and reset: readers', senders', and those reset before anybody looked at them.
const READERS: u64 = 5_000;
const SENDERS: u64 = 5_000;
const IMPATIENT: u64 = 2_000;
/// So many at a time.
const AT_A_TIME: u64 = 500;
/// Handshakes that stop half-way, bytes that are no handshake, and bytes that are no HTTP/2.
const HALF_OPEN: usize = 100;
const NO_HANDSHAKE: usize = 100;
const NO_HTTP_2: usize = 100;
/// What goes wrong with one envelope or message each, in the ledger's order.
const LOST_ONCE: [&str; 5] = [
    "malformed_wire",
    "malformed_utf8",
    "malformed_required",
    "message_oversize",
    "malformed_batch",
];
/// The largest message that is taken.
const MESSAGE_BYTES_MAX: usize = 10 << 20;
/// Of a record of TLS that holds the beginning of a client's first message: head and some bytes.
const HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

#[test]
fn what_clients_do_wrong_touches_nobody_else_and_is_counted_by_name() {
    let authority = Authority::new();
    let tls = table("grpc.tls", &authority.files(DOPPLER));
    let abused = Abused {
        server: Server::start(&tls),
        client: authority.client(),
    };
    block_on(async {
        let healthy = Healthy::start(&abused).await;
        let half_open = abused.half_open();
        abused.readers_reset().await;
        abused.senders_reset().await;
        abused.impatient().await;
        abused.malformed().await;
        abused.oversize().await;
        abused.no_handshake().await;
        abused.no_http_2().await;
        drop(half_open);
        let failed = u64::try_from(HALF_OPEN + NO_HANDSHAKE).unwrap();
        until(|| abused.count("tls_failed") == failed).await;
        let passed = healthy.stop().await;
        assert!(passed > 1_000, "{passed} passed meanwhile");
    });
    for name in LOST_ONCE {
        let metric = format!("hydrant_lost_total stage=\"shard\",reason=\"{name}\"");
        assert_eq!(abused.server.count(&metric), 1, "{name}");
    }
    let said = abused.server.stop();
    let lost = LOST_ONCE.map(|name| format!(" + {name} 1")).concat() + "\n";
    assert!(said.contains(&lost), "{said}");
    assert!(!said.contains("outbox_full"), "{said}");
}

/// A sender and a reader that go on all the while in the same two streams.
struct Healthy {
    is_over: Arc<AtomicBool>,
    passing: JoinHandle<u64>,
}

impl Healthy {
    async fn start(abused: &Abused) -> Self {
        let Abused { server, client } = abused;
        let reading = channel(server.grpc, Some(client)).await;
        let mut reader = Reader::open(reading, &logs("", "healthy")).await;
        let sender = Sender::open(channel(server.grpc, Some(client)).await);
        let is_over = Arc::<AtomicBool>::default();
        let is_enough = Arc::clone(&is_over);
        let passing = tokio::spawn(async move {
            let mut passed = 0;
            while !is_enough.load(Ordering::Relaxed) {
                sender.send_numbers("healthy", passed..passed + 10).await;
                let mut numbers = Vec::new();
                while numbers.len() < 10 {
                    numbers.extend(reader.read().await.expect("the stream goes on"));
                }
                assert_eq!(numbers, (passed..passed + 10).collect::<Vec<_>>());
                passed += 10;
            }
            assert_eq!(sender.end().await.message(), "EOF");
            passed
        });
        Self { is_over, passing }
    }

    /// How many envelopes went through.
    async fn stop(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.passing.await.unwrap()
    }
}

/// The server, and those who abuse it with a good certificate or without.
struct Abused {
    server: Server,
    client: ClientTls,
}

impl Abused {
    /// One of gRPC's counters.
    fn count(&self, name: &str) -> u64 {
        self.server.count(&format!("hydrant_grpc_{name}_total"))
    }

    /// Waits until only the healthy reader's session is left.
    async fn until_left_alone(&self) {
        let is_open = |line: &&str| {
            line.starts_with("hydrant_session_waiting{") && !line.contains("peer=\"\"")
        };
        until(|| self.server.get("/metrics").lines().filter(is_open).count() == 1).await;
    }

    async fn readers_reset(&self) {
        let connection = channel(self.server.grpc, Some(&self.client)).await;
        let request = logs("", "abuse");
        for round in 1..=READERS / AT_A_TIME {
            let openings = (0..AT_A_TIME).map(|_| open(connection.clone(), &request));
            let opened = join_all(openings).await;
            assert!(opened.iter().all(Result::is_ok));
            drop(opened);
            assert_eq!(self.count("sessions_opened"), 1 + round * AT_A_TIME);
            self.until_left_alone().await;
        }
    }

    async fn senders_reset(&self) {
        let connection = channel(self.server.grpc, Some(&self.client)).await;
        let before = self.count("streams_opened");
        for round in 1..=SENDERS / AT_A_TIME {
            let senders = (0..AT_A_TIME).map(|_| Sender::open_small(connection.clone()));
            let senders: Vec<_> = senders.collect();
            for sender in &senders {
                sender.send_numbers("abuse", 0..1).await;
            }
            until(|| self.count("streams_opened") == before + round * AT_A_TIME).await;
            join_all(senders.into_iter().map(Sender::reset)).await;
            until(|| self.count("streams_reset") == round * AT_A_TIME).await;
        }
    }

    /// Nobody waits for the answer; some are not even sent.
    async fn impatient(&self) {
        for _ in 0..IMPATIENT / AT_A_TIME {
            let connection = channel(self.server.grpc, Some(&self.client)).await;
            let open = |_| {
                let connection = connection.clone();
                tokio::spawn(async move { open(connection, &logs("", "abuse")).await.is_ok() })
            };
            let openings: Vec<_> = (0..AT_A_TIME).map(open).collect();
            for _ in 0..10 {
                yield_now().await;
            }
            openings.iter().for_each(JoinHandle::abort);
        }
        self.until_left_alone().await;
    }

    /// Each bad envelope costs itself, and its stream goes on to the end.
    async fn malformed(&self) {
        let connection = channel(self.server.grpc, Some(&self.client)).await;
        let mut reader = Reader::open(connection.clone(), &logs("", "good")).await;
        let sender = Sender::open(connection.clone());
        let good = |number| numbered("good", number);
        let invalid_utf8 = b"\x12\x01\xff".to_vec();
        let cut = good(7)[..20].to_vec();
        sender
            .send(batch(&[good(1), invalid_utf8, good(2), cut]))
            .await;
        let truncated = batch(&[good(3), good(4)]);
        sender.send(truncated.slice(..truncated.len() - 1)).await;
        sender.send(batch(&[good(5)])).await;
        assert_eq!(sender.end().await.message(), "EOF");
        let mut numbers = Vec::new();
        while numbers.len() < 4 {
            numbers.extend(reader.read().await.unwrap());
        }
        assert_eq!(numbers, [1, 2, 3, 5]);
        // Without origin.
        let payload = Bytes::from_static(b"\x10\x05");
        let data = plumbing::EnvelopeData { payload }.encode_to_vec();
        let mut client = DopplerIngestorClient::new(connection);
        client.pusher(stream::iter([data.into()])).await.unwrap();
    }

    async fn oversize(&self) {
        let connection = channel(self.server.grpc, Some(&self.client)).await;
        let sender = Sender::open(connection);
        sender.send(vec![0; MESSAGE_BYTES_MAX + 1].into()).await;
        let status = sender.end().await;
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        assert_eq!(self.count("streams_cut"), 1);
    }

    /// Connections in the middle of their handshake. To be dropped.
    fn half_open(&self) -> Vec<TcpStream> {
        (0..HALF_OPEN).map(|_| self.says(HELLO)).collect()
    }

    async fn no_handshake(&self) {
        for _ in 0..NO_HANDSHAKE {
            self.says(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        }
        let failed = u64::try_from(NO_HANDSHAKE).unwrap();
        until(|| self.count("tls_failed") >= failed).await;
    }

    fn says(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.server.grpc).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    }

    /// A handshake in order, and then what is no HTTP/2: the connection is closed.
    async fn no_http_2(&self) {
        let before = self.count("connections");
        for _ in 0..NO_HTTP_2 {
            let tcp = tokio::net::TcpStream::connect(self.server.grpc)
                .await
                .unwrap();
            let name = self.client.server_name().clone();
            let mut stream = self.client.connector().connect(name, tcp).await.unwrap();
            let garbage = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n and no preface at all";
            stream.write_all(garbage).await.unwrap();
            // Whatever it says before; and whether it closes in order is its own business.
            let mut said = Vec::new();
            stream.read_to_end(&mut said).await.ok();
        }
        let opened = u64::try_from(NO_HTTP_2).unwrap();
        assert_eq!(self.count("connections"), before + opened);
    }
}
