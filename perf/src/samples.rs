//! Envelopes as a foundation sends them, built with the generated types.

use hydrant_engine::record::Version;
use hydrant_proto::{v1, v2};
use prost::Message;
use std::collections::BTreeMap;

/// The kinds of envelope that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// A log line of an app with six tags, as a Diego cell's agent sends it.
    LogV2,
    /// A log line of an app, as dropsonde sends it.
    LogV1,
    /// Five container metrics with six tags.
    GaugeV2,
    /// A request that the router has served.
    HttpV1,
}

/// The envelope cannot be made as small as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an envelope of this kind has at least {least_bytes} bytes")]
pub struct TooSmall {
    /// The smallest size that can be had.
    pub least_bytes: usize,
}

const FIRST_TIMESTAMP: i64 = 1_700_000_000_000_000_000;

/// What BOSH and Diego say about every line of an app's output.
const TAGS: [(&str, &str); 6] = [
    ("deployment", "cf"),
    ("ip", "10.0.16.5"),
    ("job", "diego-cell"),
    ("origin", "rep"),
    ("process_type", "web"),
    ("source_type", "APP/PROC/WEB"),
];

impl Sample {
    /// Every sample.
    pub const ALL: [Self; 4] = [Self::LogV2, Self::LogV1, Self::GaugeV2, Self::HttpV1];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LogV2 => "v2-log",
            Self::LogV1 => "v1-log",
            Self::GaugeV2 => "v2-gauge",
            Self::HttpV1 => "v1-http",
        }
    }

    /// The generation of its bytes.
    pub const fn version(self) -> Version {
        match self {
            Self::LogV2 | Self::GaugeV2 => Version::V2,
            Self::LogV1 | Self::HttpV1 => Version::V1,
        }
    }

    /// An envelope of the app with this number, at its natural size; logs with a line of
    /// `line_bytes`.
    pub fn encode(self, app: usize, sequence: usize, line_bytes: usize) -> Vec<u8> {
        let timestamp = FIRST_TIMESTAMP + i64::try_from(sequence).unwrap_or(0);
        match self {
            Self::LogV2 => log_v2(app, timestamp, line_bytes).encode_to_vec(),
            Self::LogV1 => log_v1(app, timestamp, line_bytes).encode_to_vec(),
            Self::GaugeV2 => gauge_v2(app, timestamp).encode_to_vec(),
            Self::HttpV1 => http_v1(app, timestamp).encode_to_vec(),
        }
    }

    /// The length of line that makes a log of exactly `bytes`, or the nearest below where a length
    /// on the way grows by a byte; 0 for samples without a line.
    ///
    /// # Errors
    /// [`TooSmall`] if even an empty line is too long.
    pub fn line_bytes(self, bytes: usize) -> Result<usize, TooSmall> {
        let length = |line| self.encode(0, 0, line).len();
        if !matches!(self, Self::LogV1 | Self::LogV2) {
            return Ok(0);
        }
        let least_bytes = length(0);
        let Some(mut line) = bytes.checked_sub(least_bytes) else {
            return Err(TooSmall { least_bytes });
        };
        while length(line) > bytes {
            line -= 1;
        }
        Ok(line)
    }
}

/// The GUID of the app with this number.
pub fn app_guid(app: usize) -> String {
    format!("{app:08x}-5c1f-4c0e-9d64-0242ac11{:04x}", app & 0xffff)
}

/// The number of the app with this GUID, if it is one of ours.
pub fn app_of_guid(guid: &str) -> Option<usize> {
    let app = usize::from_str_radix(guid.get(..8)?, 16).ok()?;
    (app_guid(app) == guid).then_some(app)
}

fn line(bytes: usize) -> Vec<u8> {
    const TEXT: &[u8] = b"GET /v1/orders/4711 200 12ms trace=8f3a1c user=anonymous cache=hit - ";
    TEXT.iter().copied().cycle().take(bytes).collect()
}

pub(crate) fn tags() -> BTreeMap<String, String> {
    TAGS.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn envelope_v2(app: usize, timestamp: i64, message: v2::envelope::Message) -> v2::Envelope {
    v2::Envelope {
        timestamp,
        source_id: app_guid(app),
        instance_id: "0".to_owned(),
        tags: tags(),
        message: Some(message),
        ..Default::default()
    }
}

fn log_v2(app: usize, timestamp: i64, line_bytes: usize) -> v2::Envelope {
    let log = v2::Log {
        payload: line(line_bytes).into(),
        r#type: v2::log::Type::Out.into(),
    };
    envelope_v2(app, timestamp, v2::envelope::Message::Log(log))
}

fn gauge_v2(app: usize, timestamp: i64) -> v2::Envelope {
    let metric = |name: &str, unit: &str, value| {
        let unit = unit.to_owned();
        (name.to_owned(), v2::GaugeValue { unit, value })
    };
    let metrics = BTreeMap::from([
        metric("cpu", "percentage", 12.5),
        metric("disk", "bytes", 1.5e8),
        metric("disk_quota", "bytes", 1e9),
        metric("memory", "bytes", 2.1e8),
        metric("memory_quota", "bytes", 5e8),
    ]);
    let gauge = v2::Gauge { metrics };
    envelope_v2(app, timestamp, v2::envelope::Message::Gauge(gauge))
}

fn envelope_v1(origin: &str, timestamp: i64, kind: v1::envelope::EventType) -> v1::Envelope {
    v1::Envelope {
        origin: origin.to_owned(),
        event_type: kind.into(),
        timestamp: Some(timestamp),
        deployment: Some("cf".to_owned()),
        job: Some("diego-cell".to_owned()),
        index: Some("c1d3ab0e".to_owned()),
        ip: Some("10.0.16.5".to_owned()),
        ..Default::default()
    }
}

fn log_v1(app: usize, timestamp: i64, line_bytes: usize) -> v1::Envelope {
    let log = v1::LogMessage {
        message: line(line_bytes).into(),
        message_type: v1::log_message::MessageType::Out.into(),
        timestamp,
        app_id: Some(app_guid(app)),
        source_type: Some("APP/PROC/WEB".to_owned()),
        source_instance: Some("0".to_owned()),
    };
    v1::Envelope {
        log_message: Some(log),
        ..envelope_v1("rep", timestamp, v1::envelope::EventType::LogMessage)
    }
}

fn http_v1(app: usize, timestamp: i64) -> v1::Envelope {
    let request = v1::HttpStartStop {
        start_timestamp: timestamp - 12_000_000,
        stop_timestamp: timestamp,
        request_id: v1::Uuid {
            low: 0x1122_3344_5566_7788,
            high: 0x99aa_bbcc_ddee_ff00,
        },
        peer_type: v1::PeerType::Server.into(),
        method: v1::Method::Get.into(),
        uri: "http://orders.apps.example.com/v1/orders/4711".to_owned(),
        remote_address: "10.0.4.9:51284".to_owned(),
        user_agent: "curl/8.5.0".to_owned(),
        status_code: 200,
        content_length: 1532,
        application_id: Some(v1::Uuid {
            low: 0x0102_0304_0506_0000 + app as u64,
            high: 0x9d64_0242_ac11_0002,
        }),
        instance_index: Some(0),
        instance_id: Some("c1d3ab0e-7f21".to_owned()),
        forwarded: vec!["203.0.113.7".to_owned()],
    };
    v1::Envelope {
        http_start_stop: Some(request),
        ..envelope_v1(
            "gorouter",
            timestamp,
            v1::envelope::EventType::HttpStartStop,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_engine::decode::envelope;
    use hydrant_engine::record::{Kind, SourceRule};

    #[test]
    fn every_sample_passes_the_engines_check() {
        for (sample, kind) in
            Sample::ALL
                .into_iter()
                .zip([Kind::Log, Kind::Log, Kind::Gauge, Kind::Timer])
        {
            let bytes = sample.encode(3, 9, 40);
            let envelope = envelope(&bytes, sample.version(), SourceRule::Origin).unwrap();
            assert_eq!(envelope.kind, kind);
            assert!(envelope.has_event);
            assert_eq!(envelope.timestamp, FIRST_TIMESTAMP + 9);
        }
    }

    #[test]
    fn an_app_is_known_by_its_guid() {
        for app in [0, 9, 70_000] {
            assert_eq!(app_of_guid(&app_guid(app)), Some(app));
        }
        let foreign = ["", "0000000", "00000001-5c1f-4c0e-9d64-0242ac110002"];
        assert_eq!(foreign.map(app_of_guid), [None; 3]);
    }

    #[test]
    fn logs_have_the_size_asked_for() {
        for sample in [Sample::LogV2, Sample::LogV1] {
            for bytes in [200, 250, 1000] {
                let line = sample.line_bytes(bytes).unwrap();
                assert_eq!(sample.encode(7, 0, line).len(), bytes);
            }
            assert!(sample.line_bytes(20).unwrap_err().least_bytes > 100);
        }
    }
}
