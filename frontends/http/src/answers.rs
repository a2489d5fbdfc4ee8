//! The answers that are under way on one connection: from their requests to the ends of their bodies.

use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// How many there are.
#[derive(Debug, Default)]
pub(crate) struct Answers(watch::Sender<usize>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Answer(watch::Sender<usize>);

/// The body of an answer that is under way as long as it.
#[derive(Debug)]
pub(crate) struct Held<B> {
    body: Pin<Box<B>>,
    _answer: Answer,
}

impl Answers {
    /// One more.
    pub(crate) fn begin(&self) -> Answer {
        self.0.send_modify(|count| *count += 1);
        Answer(self.0.clone())
    }

    /// Waits until there has been none for so long.
    pub(crate) async fn idle_for(&self, time: Duration) {
        let mut count = self.0.subscribe();
        // Neither wait fails: the sender is ours.
        while count.wait_for(|count| *count == 0).await.is_ok() {
            if timeout(time, count.wait_for(|count| *count > 0))
                .await
                .is_err()
            {
                return;
            }
        }
    }
}

impl Answer {
    pub(crate) fn until_over<B>(self, body: B) -> Held<B> {
        Held {
            body: Box::pin(body),
            _answer: self,
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl<B: Body> Body for Held<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.body.as_mut().poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
