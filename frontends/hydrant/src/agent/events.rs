//! Events about ourselves, told to the agent as they happen: v2 events under our source id, without
//! tags, each in a call of its own, as upstream's.

use super::emitter::now_nanos;
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

/// Events that may wait; what comes beyond them is lost.
const WAITING_MAX: usize = 64;
/// How long the agent may take for one. As upstream.
const TOLD_WITHIN: Duration = Duration::from_secs(1);
/// Most characters shown of each thing that a client chose.
const SHOWN_CHARS_MAX: usize = 1_000;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamEvent {
    /// In a few words.
    pub title: String,
    /// At length.
    pub body: String,
}

/// Where events are put. Cheap to clone; any thread may use it, and never waits.
#[derive(Clone, Debug)]
pub struct Events {
    sender: mpsc::Sender<UpstreamEvent>,
    lost: LostEvents,
}

/// How many events were not told: too many waited, or the agent was not there.
#[derive(Clone, Debug, Default)]
pub struct LostEvents(Arc<AtomicU64>);

/// Where events are taken from: the agent's end. If it is dropped, nobody wants any.
#[derive(Debug)]
pub struct EventQueue {
    receiver: mpsc::Receiver<UpstreamEvent>,
    lost: LostEvents,
}

/// A queue's two ends.
pub fn events() -> (Events, EventQueue) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let lost = LostEvents::default();
    let queue = EventQueue {
        receiver,
        lost: lost.clone(),
    };
    (Events { sender, lost }, queue)
}

impl UpstreamEvent {
    /// A WebSocket client was disconnected since it took nothing: its address, its
    /// `X-Forwarded-For`, and path and query of what it asked for. Each is cut to 1000 characters.
    pub fn slow_consumer(remote: &str, forwarded_for: &str, path: &str) -> Self {
        let cut = |text: &str| text.chars().take(SHOWN_CHARS_MAX).collect::<String>();
        let [remote, forwarded_for, path] = [remote, forwarded_for, path].map(cut);
        Self {
            title: "Traffic Controller has disconnected slow consumer".to_owned(),
            body: format!(
                "Remote Address: {remote}\nX-Forwarded-For: {forwarded_for}\nPath: {path}\n\n\
                 When Loggregator detects a slow connection, that connection is disconnected to \
                 prevent back pressure on the system. This may be due to improperly scaled \
                 nozzles, or slow user connections to Loggregator"
            ),
        }
    }
}

impl Events {
    /// Has an event told, if the agent takes events. Lost, and counted, if too many wait.
    pub fn put(&self, event: UpstreamEvent) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(event) {
            self.lost.add(1);
        }
    }

    /// The count of those that were lost. To hold it keeps nobody waiting for events.
    pub fn lost(&self) -> LostEvents {
        self.lost.clone()
    }
}

impl LostEvents {
    /// What it stands at.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}

/// Tells the agent what comes, until nobody can put anything any more.
pub(super) async fn tell(
    mut client: IngressClient<Channel>,
    source_id: String,
    mut queue: EventQueue,
) {
    while let Some(event) = queue.receiver.recv().await {
        let message = envelope(event, &source_id).encode_to_vec().into();
        let call = client.sender(stream::once(ready(message)));
        let was_told = match timeout(TOLD_WITHIN, call).await {
            Ok(answer) => was_heard(answer.err().as_ref()),
            Err(_) => false,
        };
        queue.lost.add(u64::from(!was_told));
    }
}

/// Agents end this call with an error even if all is well.
fn was_heard(error: Option<&Status>) -> bool {
    error.is_none_or(|status| status.code() != Code::Unavailable)
}

fn envelope(event: UpstreamEvent, source_id: &str) -> v2::Envelope {
    let UpstreamEvent { title, body } = event;
    v2::Envelope {
        timestamp: now_nanos(),
        source_id: source_id.to_owned(),
        message: Some(v2::envelope::Message::Event(v2::Event { title, body })),
        ..v2::Envelope::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_consumer_is_told_as_upstream_does() {
        let event = UpstreamEvent::slow_consumer("1.2.3.4:5", "6.7.8.9, 1.1.1.1", "/firehose/a");
        assert_eq!(
            event.title,
            "Traffic Controller has disconnected slow consumer"
        );
        let body = "Remote Address: 1.2.3.4:5\nX-Forwarded-For: 6.7.8.9, 1.1.1.1\n\
                    Path: /firehose/a\n\nWhen Loggregator detects a slow connection, that \
                    connection is disconnected to prevent back pressure on the system. This may be \
                    due to improperly scaled nozzles, or slow user connections to Loggregator";
        assert_eq!(event.body, body);
        let long = UpstreamEvent::slow_consumer("", &"é".repeat(70_000), "/");
        assert_eq!(
            long.body.chars().filter(|shown| *shown == 'é').count(),
            1_000
        );
    }

    #[test]
    fn an_agent_that_ends_the_call_has_heard() {
        assert!(was_heard(None));
        assert!(was_heard(Some(&Status::unknown("EOF"))));
        assert!(!was_heard(Some(&Status::unavailable("nobody there"))));
    }

    #[test]
    fn what_finds_no_room_is_lost_and_what_nobody_wants_is_not() {
        let event = UpstreamEvent::slow_consumer("", "", "/");
        let (events, queue) = events();
        for _ in 0..WAITING_MAX + 3 {
            events.put(event.clone());
        }
        assert_eq!(events.lost().count(), 3);
        drop(queue);
        events.put(event);
        assert_eq!(events.lost().count(), 3);
    }
}
