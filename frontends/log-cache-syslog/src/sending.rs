//! Batches to the node, one call at a time, so that envelopes keep their order.
//!
//! A batch is sent again if the node may not have had it; if it had, its envelopes are there twice.

use crate::counters::{SyslogCounter, SyslogCounters};
use crate::limits::{SEND_PAUSE, SEND_TIMEOUT, SEND_TRIES_MAX};
use crate::outbox::{Outbox, Parcel};
use crate::told::Report;
use bytes::{Bytes, BytesMut};
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::ending::Ending;
use hydrant_rpc::batch;
use hydrant_rpc::channel::cause;
use hydrant_rpc::logcache::ingress::IngressClient;
use std::error::Error;
use std::sync::Arc;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// Who sends.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) counters: Arc<SyslogCounters>,
    pub(crate) report: Report,
    pub(crate) client: IngressClient<Channel>,
}

impl Sending {
    /// Sends what comes until nothing can come, or the time is over.
    pub(crate) async fn run(mut self, ending: Ending) {
        while !ending.is_over()
            && let Some(Some(parcel)) = ending.until_over(self.outbox.next()).await
        {
            let sent = ending.until_over(self.send(&parcel, &ending)).await;
            let outcome = match sent {
                Some(Ok(())) => SessionCounter::Delivered,
                Some(Err(())) => SessionCounter::NotTaken,
                None => SessionCounter::Gone,
            };
            self.outbox.count(outcome, parcel.envelopes);
        }
        self.outbox.abandon();
    }

    async fn send(&mut self, parcel: &Parcel, ending: &Ending) -> Result<(), ()> {
        let request = request(&parcel.batch);
        let mut pause = SEND_PAUSE;
        for rest in (0..SEND_TRIES_MAX).rev() {
            let Err(status) = self.call(request.clone()).await else {
                self.outbox.session.set_note("connected");
                return Ok(());
            };
            self.failed(&status);
            if rest == 0 || !may_help(&status) {
                break;
            }
            ending.pause(pause).await;
            pause *= 2;
        }
        let (peer, envelopes) = (&self.outbox.session.peer, parcel.envelopes);
        let error = self.outbox.session.error();
        self.report.line(format_args!(
            "Log Cache at {peer} did not take {envelopes} envelopes: {error}"
        ));
        Err(())
    }

    async fn call(&mut self, request: Bytes) -> Result<(), Status> {
        let call = timeout(SEND_TIMEOUT, self.client.send(Request::new(request)));
        match call.await {
            Ok(answered) => answered.map(drop),
            Err(_) => Err(Status::deadline_exceeded("no answer in time")),
        }
    }

    fn failed(&self, status: &Status) {
        self.counters.count(SyslogCounter::CallsFailed);
        let error = match status.source() {
            Some(ours) => cause(ours),
            None => format!("{}: {}", status.code(), status.message()),
        };
        self.outbox.session.set_note("away");
        self.outbox.session.set_error(error);
    }
}

/// A `SendRequest` of a batch, for the node that it belongs to, wherever that is.
fn request(batch: &[u8]) -> Bytes {
    let mut request = BytesMut::with_capacity(batch::element_bytes_max(batch.len()));
    batch::push(&mut request, batch);
    request.freeze()
}

/// Whether the same batch may be taken another time: not if the node has said what is wrong with it.
fn may_help(status: &Status) -> bool {
    let is_passing = matches!(
        status.code(),
        Code::Aborted
            | Code::Cancelled
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Unavailable
            | Code::Unknown
    );
    is_passing || status.source().is_some()
}
