//! What apps are to read in their own logs about what the platform does for them: v2 logs of the
//! app, of source type `LGR` and instance `0`, on stderr, as upstream's binding cache and syslog
//! agent write them.

use super::emitter::now_nanos;
use bytes::Bytes;
use futures_util::future::ready;
use futures_util::stream;
use hydrant_proto::v2;
use hydrant_rpc::ingress::IngressClient;
use prost::Message;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// Logs that may wait, of some 300 bytes each; what comes beyond them is lost.
const WAITING_MAX: usize = 10_000;
/// Logs in a batch, as upstream.
const BATCH_MAX: usize = 100;
/// How long the agent may take for a batch.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// A line in an app's logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppLog {
    /// The app's GUID.
    pub app: String,
    /// What it is told.
    pub message: Arc<str>,
}

/// Where logs are put. Cheap to clone; any thread may use it, and never waits.
#[derive(Clone, Debug)]
pub struct AppLogs {
    sender: mpsc::Sender<AppLog>,
    counts: AppLogCounts,
}

/// What became of logs.
#[derive(Clone, Debug, Default)]
pub struct AppLogCounts(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    told: AtomicU64,
    lost: AtomicU64,
}

/// Where logs are taken from: the agent's end. If it is dropped, nobody wants any.
#[derive(Debug)]
pub struct AppLogQueue {
    receiver: mpsc::Receiver<AppLog>,
    counts: AppLogCounts,
}

/// A queue's two ends.
pub fn app_logs() -> (AppLogs, AppLogQueue) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let counts = AppLogCounts::default();
    let queue = AppLogQueue {
        receiver,
        counts: counts.clone(),
    };
    (AppLogs { sender, counts }, queue)
}

impl AppLogs {
    /// Has a log told, if there is an agent. Lost, and counted, if too many wait.
    pub fn put(&self, log: AppLog) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(log) {
            self.counts.0.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counts. To hold them keeps nobody waiting for logs.
    pub fn counts(&self) -> AppLogCounts {
        self.counts.clone()
    }
}

impl AppLogCounts {
    /// Logs that the agent took.
    pub fn told(&self) -> u64 {
        self.0.told.load(Ordering::Relaxed)
    }

    /// Logs that were lost: too many waited, or the agent did not take them.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }
}

/// Tells the agent what comes, until nobody can put anything any more. Each batch is a call, whose
/// end says what became of it.
pub(super) async fn tell(mut client: IngressClient<Channel>, mut queue: AppLogQueue) {
    let mut logs = Vec::with_capacity(BATCH_MAX);
    while queue.receiver.recv_many(&mut logs, BATCH_MAX).await > 0 {
        let count = u64::try_from(logs.len()).unwrap_or(u64::MAX);
        let batch = v2::EnvelopeBatch {
            batch: logs.drain(..).map(envelope).collect(),
        };
        let call = client.batch_sender(stream::once(ready(batch.encode_to_vec().into())));
        let was_taken = match timeout(TOLD_WITHIN, call).await {
            Ok(answer) => was_taken(answer.err().as_ref()),
            Err(_) => false,
        };
        let Counts { told, lost } = &*queue.counts.0;
        let counter = if was_taken { told } else { lost };
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

/// Agents end this call with an error even if all is well: that they have come to our end.
fn was_taken(error: Option<&Status>) -> bool {
    error.is_none_or(|status| status.code() == Code::Unknown && status.message() == "EOF")
}

fn envelope(AppLog { app, message }: AppLog) -> v2::Envelope {
    let log = v2::Log {
        payload: Bytes::copy_from_slice(message.as_bytes()),
        r#type: v2::log::Type::Err.into(),
    };
    v2::Envelope {
        timestamp: now_nanos(),
        source_id: app,
        instance_id: "0".to_owned(),
        tags: [("source_type".to_owned(), "LGR".to_owned())].into(),
        message: Some(v2::envelope::Message::Log(log)),
        ..v2::Envelope::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_lost_and_what_nobody_wants_is_not() {
        let log = AppLog {
            app: "a".to_owned(),
            message: "m".into(),
        };
        let (logs, queue) = app_logs();
        for _ in 0..WAITING_MAX + 3 {
            logs.put(log.clone());
        }
        assert_eq!(logs.counts().lost(), 3);
        drop(queue);
        logs.put(log);
        assert_eq!((logs.counts().lost(), logs.counts().told()), (3, 0));
    }

    #[test]
    fn only_the_end_of_the_stream_is_no_failure() {
        assert!(was_taken(None));
        assert!(was_taken(Some(&Status::unknown("EOF"))));
        for status in [
            Status::unknown("transport error"),
            Status::unavailable("nobody there"),
            Status::unimplemented("EOF"),
        ] {
            assert!(!was_taken(Some(&status)));
        }
    }
}
