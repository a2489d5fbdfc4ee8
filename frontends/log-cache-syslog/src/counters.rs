//! What the server counts, connections and messages apart from what becomes of envelopes, which its
//! worker and its session count.
//!
//! **The ledger**, at any moment of rest: the feed's `read = messages + no_form`, where `no_form` is the
//! sum of [`SyslogCounter::INVALID`]; and the session's `selected = delivered + each loss + waiting`.

use crate::envelope::Refused;
use crate::framing::FramingError;
use std::sync::atomic::{AtomicU64, Ordering};

hydrant_engine::counters! {
    /// What the server counts.
    SyslogCounter {
        Connections = "connections", "TCP connections accepted.";
        TlsFailed = "tls_failed", "Connections closed because the TLS handshake failed or took too long.";
        IdleClosed = "idle_closed", "Connections closed because no whole message came in time.";
        FramingMalformed = "framing_malformed", "Connections closed because bytes came that are no length of a message.";
        MessageTooLong = "message_too_long", "Connections closed because a message is longer than it may be.";
        MessageCut = "message_cut", "Messages whose connection ended before they did.";
        MessageMalformed = "message_malformed", "Messages that are not RFC 5424's; after octet counts their connection is closed.";
        ProcIdMissing = "proc_id_missing", "Messages without PROCID.";
        AppNameMissing = "app_name_missing", "Messages without APP-NAME.";
        TimestampMissing = "timestamp_missing", "Messages without TIMESTAMP, or with one that nanoseconds do not reach.";
        ElementUnknown = "element_unknown", "Messages with an element that is neither a metric nor tags.";
        ParameterInvalid = "parameter_invalid", "Messages with a metric whose number or unit is missing or wrong.";
        MessageEmpty = "message_empty", "Messages with neither a metric nor a text.";
        CallsFailed = "calls_failed", "Calls of the node that failed; their batches are sent again, or lost.";
    }
}

impl SyslogCounter {
    /// What came and became no envelope.
    pub const INVALID: [Self; 10] = [
        Self::FramingMalformed,
        Self::MessageTooLong,
        Self::MessageCut,
        Self::MessageMalformed,
        Self::ProcIdMissing,
        Self::AppNameMissing,
        Self::TimestampMissing,
        Self::ElementUnknown,
        Self::ParameterInvalid,
        Self::MessageEmpty,
    ];
}

impl From<FramingError> for SyslogCounter {
    fn from(error: FramingError) -> Self {
        match error {
            FramingError::NoLength => Self::FramingMalformed,
            FramingError::TooLong => Self::MessageTooLong,
        }
    }
}

impl From<Refused> for SyslogCounter {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::ProcId => Self::ProcIdMissing,
            Refused::AppName => Self::AppNameMissing,
            Refused::Timestamp => Self::TimestampMissing,
            Refused::Element => Self::ElementUnknown,
            Refused::Parameter => Self::ParameterInvalid,
            Refused::Nothing => Self::MessageEmpty,
        }
    }
}

/// Counters of a server.
#[derive(Debug, Default)]
pub struct SyslogCounters([AtomicU64; SyslogCounter::ALL.len()]);

impl SyslogCounters {
    /// What a counter stands at.
    pub fn get(&self, counter: SyslogCounter) -> u64 {
        self.0[counter as usize].load(Ordering::Relaxed)
    }

    /// What came and became no envelope, by any name.
    pub fn invalid(&self) -> u64 {
        let invalid = SyslogCounter::INVALID.iter();
        invalid.map(|counter| self.get(*counter)).sum()
    }

    pub(crate) fn count(&self, counter: SyslogCounter) {
        self.0[counter as usize].fetch_add(1, Ordering::Relaxed);
    }
}
