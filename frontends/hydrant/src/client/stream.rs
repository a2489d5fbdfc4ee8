//! `hydrant tail` and `hydrant firehose`: a WebSocket's envelopes, and what to do when it ends.

use super::end::End;
use super::error::ClientError;
use super::http::WebSocket;
use super::output::Output;
use super::session::Session;
use super::stop::Stop;
use super::tell;
use futures_util::{FutureExt, SinkExt, StreamExt};
use std::io::Write;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_websockets::{CloseCode, Error, Message};
use url::Url;

/// As noaa: the first pause, the longest, and the tries after which it gives up.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(60);
const TRIES_MAX: u32 = 1000;
/// A good-bye may take this long.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Follows a stream over all its connections.
#[derive(Debug)]
pub(super) struct Follower<'f, W: Write> {
    pub(super) session: &'f mut Session,
    pub(super) url: &'f Url,
    pub(super) output: &'f mut Output<W>,
    pub(super) stop: Stop,
    pub(super) reconnects: bool,
    pub(super) idle: Duration,
}

impl<W: Write> Follower<'_, W> {
    /// Prints what comes, until we are told to stop. The first connection has to succeed; after
    /// that every end is a gap, which is told, counted and ended by the next connection.
    ///
    /// # Errors
    /// Why there is no connection or will be none again, or that nobody reads what we print.
    pub(super) async fn run(&mut self) -> Result<(), ClientError> {
        let opened = self.stop.or(self.session.open(self.url)).await;
        let Some(opened) = opened else { return Ok(()) };
        let mut stream = opened?;
        self.output.tally.has_begun = true;
        tell(&format!("connected to {}", self.url));
        while let Some(end) = self.read(&mut stream).await? {
            self.output.tally.ended(&end);
            if !self.reconnects {
                return Err(ClientError::Ended(end));
            }
            match self.reconnect(&end).await? {
                Some(next) => stream = next,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Prints what comes until the connection ends; nothing is given if we are told to stop.
    async fn read(&mut self, stream: &mut WebSocket) -> Result<Option<End>, ClientError> {
        loop {
            // What has come is printed in one go; before we wait, it is to be seen.
            let message = match stream.next().now_or_never() {
                Some(message) => message,
                None => {
                    self.output.flush()?;
                    let waiting = timeout(self.idle, stream.next());
                    match self.stop.or(waiting).await {
                        Some(Ok(message)) => message,
                        Some(Err(_)) => return Ok(Some(End::Silent(self.idle))),
                        None => {
                            say_goodbye(stream).await;
                            return Ok(None);
                        }
                    }
                }
            };
            if let Some(end) = self.take(message)? {
                self.output.flush()?;
                say_goodbye(stream).await;
                return Ok(Some(end));
            }
        }
    }

    /// As noaa, every message with content is taken for an envelope, whatever its type.
    fn take(
        &mut self,
        message: Option<Result<Message, Error>>,
    ) -> Result<Option<End>, ClientError> {
        let message = match message {
            None => return Ok(Some(End::Gone)),
            Some(Err(error)) => return Ok(Some(End::Broken(error.to_string()))),
            Some(Ok(message)) => message,
        };
        if message.is_close() {
            let close = message.as_close();
            let close = close.map(|(code, reason)| (u16::from(code), reason.to_owned()));
            return Ok(Some(End::Closed(close)));
        }
        let has_content = message.is_binary() || message.is_text();
        if has_content && let Some(envelope) = self.output.take(message.as_payload()) {
            self.output.print(&envelope)?;
        }
        Ok(None)
    }

    /// The next connection; none if we are told to stop before there is one.
    async fn reconnect(&mut self, end: &End) -> Result<Option<Box<WebSocket>>, ClientError> {
        let lost_at = Instant::now();
        tell(&format!("{end}; connecting again"));
        let outcome = self.try_again().await;
        let without = lost_at.elapsed();
        self.output.tally.was_without(without);
        if let Ok(Some(_)) = &outcome {
            let seconds = without.as_secs_f64();
            tell(&format!("connected again; a gap of {seconds:.1} s"));
        }
        outcome
    }

    async fn try_again(&mut self) -> Result<Option<Box<WebSocket>>, ClientError> {
        let mut pause = PAUSE_MIN;
        let mut tries = 0;
        loop {
            if self.stop.or(sleep(pause)).await.is_none() {
                return Ok(None);
            }
            let Some(opened) = self.stop.or(self.session.open(self.url)).await else {
                return Ok(None);
            };
            tries += 1;
            match opened {
                Ok(stream) => return Ok(Some(stream)),
                Err(error) if !error.is_passing() => return Err(error),
                Err(error) if tries >= TRIES_MAX => {
                    return Err(ClientError::GaveUp(Box::new(error), tries));
                }
                Err(error) => {
                    pause = (pause * 2).min(PAUSE_MAX);
                    tell(&format!("{error}; again in {:.0} s", pause.as_secs_f64()));
                }
            }
        }
    }
}

/// Ends a connection in good order, whoever is the first to end it. What still comes is not read: a
/// connection that is broken ends at once.
async fn say_goodbye(stream: &mut WebSocket) {
    let goodbye = async {
        let close = Message::close(Some(CloseCode::NORMAL_CLOSURE), "");
        // It fails where the server was the first; reading on answers it then.
        stream.send(close).await.ok();
        while let Some(Ok(_)) = stream.next().await {}
    };
    timeout(CLOSE_TIMEOUT, goodbye).await.ok();
}
