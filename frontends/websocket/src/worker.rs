//! The worker: one thread that takes connections, reads the lanes and writes to sessions.

use crate::StartError;
use crate::config::WebsocketConfig;
use crate::pump;
use crate::register::{Limits, Register};
use crate::server;
use crate::timing::Timing;
use futures_util::future::select;
use hydrant_engine::engine::pin_to;
use hydrant_engine::lanes::LaneReader;
use hydrant_feed::lanes::Lanes;
use hydrant_feed::session::FrontendState;
use std::future::pending;
use std::io;
use std::net::TcpListener as Listener;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep_until;

/// When sessions have had enough time to take the last of their messages; unknown until somebody
/// waits for the worker.
pub(crate) type Deadline = Option<Instant>;

/// All that the worker's thread takes over.
pub(crate) struct Worker {
    runtime: Runtime,
    listener: TcpListener,
    lanes: Lanes,
    state: Arc<FrontendState>,
    limits: Limits,
    timing: Timing,
    deadline: watch::Receiver<Deadline>,
}

impl Worker {
    pub(crate) fn new(
        config: &WebsocketConfig,
        timing: Timing,
        listener: Listener,
        reader: LaneReader,
        state: Arc<FrontendState>,
        deadline: watch::Receiver<Deadline>,
    ) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        listener.set_nonblocking(true)?;
        let within = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        let lanes = Lanes::new(reader)?;
        drop(within);
        Ok(Self {
            runtime,
            listener,
            lanes,
            state,
            limits: Limits::of(config),
            timing,
            deadline,
        })
    }

    /// Starts the thread, pinned if a core is given. It ends by itself once every shard is gone.
    pub(crate) fn spawn(
        self,
        core: Option<usize>,
    ) -> Result<JoinHandle<io::Result<()>>, StartError> {
        let (report, outcome) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("websocket".to_owned())
            .spawn(move || {
                let pinned = core.map_or(Ok(()), pin_to);
                let is_pinned = pinned.is_ok();
                // Whoever started us waits for this word.
                report.send(pinned).map_err(io::Error::other)?;
                if is_pinned { self.work() } else { Ok(()) }
            })
            .map_err(StartError::Worker)?;
        match outcome.recv() {
            Ok(pinned) => pinned.map_err(StartError::Worker)?,
            Err(_) => return Err(StartError::Worker(io::Error::other("its thread died"))),
        }
        Ok(thread)
    }

    fn work(self) -> io::Result<()> {
        let Self {
            listener,
            lanes,
            timing,
            mut deadline,
            ..
        } = self;
        let register = Register::new(self.state, lanes.demand(), self.limits);
        let local = LocalSet::new();
        local.block_on(&self.runtime, async {
            let accepting = spawn_local(server::accept(listener, register.clone(), timing));
            let pumping = spawn_local(pump::run(lanes, register.clone()));
            let outcome = pumping.await;
            accepting.abort();
            register.stop();
            let emptied = pin!(register.emptied());
            select(emptied, pin!(passed(&mut deadline))).await;
            outcome.map_err(io::Error::other)
        })
        // Sessions that are left end with `local`, and count what they could not deliver.
    }
}

/// Waits until the deadline is known and over.
async fn passed(deadline: &mut watch::Receiver<Deadline>) {
    let known = deadline.wait_for(Option::is_some).await.ok();
    let instant = known.and_then(|deadline| *deadline);
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => pending().await, // Nobody waits.
    }
}
