//! Readers served from other hosts: every session is a subscription to each router, who select and
//! share for us.

use crate::forms::Forms;
use crate::member::Member;
use crate::request::{Call, check_selectors, decoded};
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::decode::Envelope;
use hydrant_engine::record::Record;
use hydrant_feed::counters::FeedCounter;
use hydrant_feed::routers::{Request, Routers, Sink, Subscription};
use hydrant_feed::session::FrontendState;
use hydrant_proto::v2;
use prost::Message;
use std::sync::{Arc, Mutex, PoisonError};
use tonic::Status;

/// What to ask the routers for: the reader's request, its selectors where routers look for them.
///
/// # Errors
/// As for a reader of the lanes.
pub(crate) fn request(bytes: &[u8], call: Call) -> Result<Request, Status> {
    let mut request = decoded::<v2::EgressBatchRequest>(bytes)?;
    check_selectors(&mut request)?;
    if call == Call::Receiver {
        request.deterministic_name.clear(); // Upstream forgets it here.
    }
    Ok(Request::V2(request.encode_to_vec().into()))
}

/// Asks all routers on behalf of a session, until what it gives is dropped.
pub(crate) fn subscribe(
    routers: &Routers,
    request: &Request,
    member: Arc<Member>,
    state: Arc<FrontendState>,
) -> Subscription {
    let session: Arc<dyn Sink> = Arc::new(Session {
        member,
        state,
        forms: Mutex::default(),
    });
    routers.subscribe(request, &session)
}

/// A session as the routers' streams see it.
struct Session {
    member: Arc<Member>,
    state: Arc<FrontendState>,
    forms: Mutex<Forms>,
}

impl Sink for Session {
    fn envelope(&self, _router: usize, envelope: &Envelope<'_>) {
        // Nobody routes by the hash or asks for the time.
        let record = Record {
            header: envelope.header_with(UnixNanos::default(), 0),
            envelope: envelope.bytes,
        };
        let mut forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        forms.start();
        self.state.feed.add(FeedCounter::Read, 1);
        let Some(envelope) = forms.get(self.member.form, &record) else {
            self.state.feed.add(FeedCounter::NoForm, 1);
            return;
        };
        self.state.feed.add(FeedCounter::Messages, 1);
        self.member.give(envelope);
    }

    fn flush(&self) {
        self.member.wake();
    }
}
