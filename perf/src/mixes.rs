//! Envelopes that differ as those of a foundation do: generated, so that they can be published, from
//! templates with changing numbers, names and identifiers. Tags come in any order, as from Go's maps.

use crate::samples::{app_guid, tags};
use clap::ValueEnum;
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::v2::{Envelope, Gauge, GaugeValue, Log, Timer};
use prost::Message as _;
use std::collections::BTreeMap;

/// What sources say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mix {
    /// Lines of web services: plain, JSON, stack traces.
    Apps,
    /// The router's access logs.
    Router,
    /// Container metrics.
    Containers,
    /// Times of requests, with tags of which some differ in each.
    Requests,
    /// Of ten envelopes six of apps, two of the router, one each of containers and requests.
    Foundation,
}

impl Mix {
    /// Every mix.
    pub const ALL: [Self; 5] = [
        Self::Apps,
        Self::Router,
        Self::Containers,
        Self::Requests,
        Self::Foundation,
    ];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apps => "apps",
            Self::Router => "router",
            Self::Containers => "containers",
            Self::Requests => "requests",
            Self::Foundation => "foundation",
        }
    }
}

/// Gives one envelope after the other; with the same seed the same ones.
#[derive(Clone, Debug)]
pub struct Generator {
    mix: Mix,
    random: Random,
    timestamp: i64,
    /// A step for each envelope, so that they fill so much time.
    step_ns: i64,
}

impl Generator {
    /// Envelopes `step_ns` apart, from `timestamp` on.
    pub const fn new(mix: Mix, seed: u64, timestamp: i64, step_ns: i64) -> Self {
        Self {
            mix,
            random: Random(seed | 1),
            timestamp,
            step_ns,
        }
    }

    /// The next envelope of the app with this number.
    pub fn encode(&mut self, app: usize) -> Vec<u8> {
        self.timestamp += self.step_ns;
        let random = &mut self.random;
        let mix = match self.mix {
            Mix::Foundation => match random.below(10) {
                0..=5 => Mix::Apps,
                6..=7 => Mix::Router,
                8 => Mix::Containers,
                _ => Mix::Requests,
            },
            mix => mix,
        };
        let instance_id = random.below(4).to_string();
        let (message, more) = match mix {
            Mix::Apps | Mix::Foundation => (log(app_line(random)), Vec::new()),
            Mix::Router => (log(access_line(random, app)), Vec::new()),
            Mix::Containers => (container_metrics(random), Vec::new()),
            Mix::Requests => (request(random, self.timestamp), request_tags(random)),
        };
        let envelope = Envelope {
            timestamp: self.timestamp,
            source_id: app_guid(app),
            instance_id,
            message: Some(message),
            ..Default::default()
        };
        let mut bytes = envelope.encode_to_vec();
        let mut tags: Vec<_> = tags().into_iter().collect();
        if mix == Mix::Router {
            let own = tags.iter_mut().find(|(name, _)| name == "source_type");
            own.map(|(_, value)| "RTR".clone_into(value))
                .unwrap_or_default();
        }
        tags.extend(more);
        while !tags.is_empty() {
            let (name, value) = tags.swap_remove(random.below(tags.len()));
            write_tag(&name, &value, &mut bytes);
        }
        bytes
    }
}

fn write_tag(name: &str, value: &str, envelope: &mut Vec<u8>) {
    let entry = BTreeMap::from([(name.to_owned(), value.to_owned())]);
    let entry = Envelope {
        tags: entry,
        ..Default::default()
    };
    envelope.extend(entry.encode_to_vec());
}

/// Marsaglia's xorshift: enough to differ.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap_or(0) % end
    }

    fn of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len())]
    }

    fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }
}

const WORDS: [&str; 12] = [
    "orders",
    "customers",
    "basket",
    "payment",
    "inventory",
    "search",
    "session",
    "invoice",
    "shipment",
    "catalog",
    "prices",
    "health",
];
const LEVELS: [&str; 6] = ["INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR"];
const METHODS: [&str; 5] = ["GET", "GET", "GET", "POST", "PUT"];
const STATUSES: [&str; 6] = ["200", "200", "200", "304", "404", "500"];
const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
    "okhttp/4.12.0",
    "curl/8.9.1",
];

fn log(line: String) -> Message {
    Message::Log(Log {
        payload: line.into(),
        r#type: 0,
    })
}

fn app_line(random: &mut Random) -> String {
    let (word, level) = (random.of(&WORDS), random.of(&LEVELS));
    let (id, ms) = (random.below(1_000_000), random.below(900));
    match random.below(4) {
        0 => format!(
            "{level:5} [http-nio-{}] {word}.Service : {word} {id} done in {ms} ms",
            id % 40
        ),
        1 => format!(
            r#"{{"level":"{level}","msg":"{word} {id}","ms":{ms},"request_id":"{}"}}"#,
            random.uuid()
        ),
        2 => format!("\tat com.example.{word}.Controller.handle(Controller.java:{ms})"),
        _ => format!(
            "{word}: user={id} cache={} took={ms}ms",
            random.of(&["hit", "miss"])
        ),
    }
}

fn access_line(random: &mut Random, app: usize) -> String {
    format!(
        "app-{app}.apps.example.com \"{} /v1/{}/{} HTTP/1.1\" {} 0 {} \"-\" \"{}\" \
         \"10.0.4.{}:{}\" vcap_request_id:\"{}\" response_time:0.{:06}",
        random.of(&METHODS),
        random.of(&WORDS),
        random.below(100_000),
        random.of(&STATUSES),
        random.below(20_000),
        random.of(&AGENTS),
        random.below(250),
        random.below(60_000),
        random.uuid(),
        random.below(1_000_000),
    )
}

#[expect(clippy::cast_precision_loss, reason = "numbers below 2^32")]
fn container_metrics(random: &mut Random) -> Message {
    let mut metric = |name: &str, unit: &str, end: usize| {
        let (unit, value) = (unit.to_owned(), random.below(end) as f64);
        (name.to_owned(), GaugeValue { unit, value })
    };
    let metrics = BTreeMap::from([
        metric("cpu", "percentage", 100),
        metric("disk", "bytes", 1 << 30),
        metric("disk_quota", "bytes", 1),
        metric("memory", "bytes", 1 << 30),
        metric("memory_quota", "bytes", 1),
    ]);
    Message::Gauge(Gauge { metrics })
}

fn request(random: &mut Random, stop: i64) -> Message {
    let start = stop - i64::try_from(random.below(900_000_000)).unwrap_or(0);
    Message::Timer(Timer {
        name: "http".to_owned(),
        start,
        stop,
    })
}

fn request_tags(random: &mut Random) -> Vec<(String, String)> {
    let uri = format!("/v1/{}/{}", random.of(&WORDS), random.below(100_000));
    let peer = format!("10.0.4.{}:{}", random.below(250), random.below(60_000));
    [
        ("content_length", random.below(20_000).to_string()),
        ("method", random.of(&METHODS).to_owned()),
        ("peer_type", "Client".to_owned()),
        ("remote_address", peer),
        ("request_id", random.uuid()),
        ("status_code", random.of(&STATUSES).to_owned()),
        ("uri", uri),
        ("user_agent", random.of(&AGENTS).to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
