//! The stream of one subscription from one router, begun again for as long as it is wanted.

use super::connections::Connection;
use super::state::{Tally, WantedStream};
use super::{Request, Router, RouterCounter, RouterState, Sink};
use crate::backoff::{Backoff, random};
use bytes::Bytes;
use hydrant_engine::decode;
use hydrant_engine::record::SourceRule;
use hydrant_rpc::batch;
use hydrant_rpc::channel::cause;
use hydrant_rpc::doppler::DopplerClient;
use hydrant_rpc::egress::EgressClient;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;
use tonic::transport::Channel;
use tonic::{Response, Status, Streaming};

/// The largest batch that is taken; a larger one ends its stream. Upstream's clients have the same.
const BATCH_BYTES_MAX: usize = 10 << 20;
/// A stream that gave nothing was a success if it was there for so long.
const STABLE: Duration = Duration::from_secs(1);

/// The stream.
pub(super) struct Stream {
    index: usize,
    router: Arc<Router>,
    request: Request,
    sink: Arc<dyn Sink>,
    _wanted: WantedStream,
}

impl Stream {
    pub(super) fn new(
        index: usize,
        router: Arc<Router>,
        request: Request,
        sink: Arc<dyn Sink>,
    ) -> Self {
        Self {
            _wanted: WantedStream::of(&router),
            index,
            router,
            request,
            sink,
        }
    }

    /// Runs until it is dropped.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::default();
        loop {
            if self.attempt().await {
                backoff.succeeded(); // And again at once: others may have taken its place.
            } else {
                sleep(backoff.failed(random())).await;
            }
        }
    }

    /// One stream from begin to end. Whether it was any good.
    async fn attempt(&self) -> bool {
        match self.router.connections.any(random()).await {
            Ok(connection) => self.follow(connection).await,
            Err(error) => {
                self.state().count(RouterCounter::Failures);
                self.state().fail(&cause(&error));
                false
            }
        }
    }

    async fn follow(&self, connection: Connection) -> bool {
        let start = Instant::now();
        let open = self.state().open();
        let mut batch_count = 0;
        let ending = self
            .receive(connection.channel.clone(), &mut batch_count)
            .await;
        drop(open);
        self.state().count(RouterCounter::Disconnects);
        self.state().fail(&ending_text(&ending));
        if ending.is_err_and(|status| status.source().is_some()) {
            // Said by our end of the connection, not by the router: it is broken.
            connection.discard().await;
        }
        batch_count > 0 || start.elapsed() >= STABLE
    }

    /// Takes batches until the router ends the stream.
    async fn receive(&self, channel: Channel, batch_count: &mut u64) -> Result<(), Status> {
        let mut batches = self.ask(channel).await?;
        while let Some(batch) = batches.message().await? {
            *batch_count += 1;
            self.take(&batch);
        }
        Ok(())
    }

    async fn ask(&self, channel: Channel) -> Result<Streaming<Bytes>, Status> {
        let answer = match &self.request {
            Request::V1(message) => {
                let client = DopplerClient::new(channel);
                let mut client = client.max_decoding_message_size(BATCH_BYTES_MAX);
                client.batch_subscribe(message.clone()).await
            }
            Request::V2(message) => {
                let client = EgressClient::new(channel);
                let mut client = client.max_decoding_message_size(BATCH_BYTES_MAX);
                client.batched_receiver(message.clone()).await
            }
        };
        answer.map(Response::into_inner)
    }

    /// Takes a batch apart. An envelope that is not valid costs only itself.
    fn take(&self, batch: &[u8]) {
        let mut tally = Tally::default();
        tally.count(RouterCounter::Batches);
        for element in batch::elements(batch) {
            match element {
                Ok(bytes) => self.take_envelope(bytes, &mut tally),
                Err(batch::Malformed) => tally.count(RouterCounter::BatchesMalformed),
            }
        }
        self.state().add(&tally);
        self.sink.flush();
    }

    fn take_envelope(&self, bytes: &[u8], tally: &mut Tally) {
        tally.count(RouterCounter::Received);
        match decode::envelope(bytes, self.request.version(), SourceRule::DeploymentJob) {
            Ok(envelope) => {
                tally.count(RouterCounter::Decoded);
                self.sink.envelope(self.index, &envelope);
            }
            Err(loss) => tally.lose(loss),
        }
    }

    fn state(&self) -> &RouterState {
        &self.router.state
    }
}

fn ending_text(ending: &Result<(), Status>) -> String {
    match ending {
        Ok(()) => "the router ended the stream".to_owned(),
        Err(status) => {
            let source = status.source().map(cause);
            let said = source.as_deref().unwrap_or_else(|| status.message());
            format!("{}: {said}", status.code())
        }
    }
}
