//! The worker: one thread that brings what comes from the feed to sessions, and serves these.

use crate::config::WebsocketConfig;
use crate::opening::{self, Opening};
use crate::pump;
use crate::recent::Recent;
use crate::register::{Limits, Register, Source};
use crate::routed;
use crate::slow::OnSlow;
use crate::timing::Timing;
use crate::{Feed, Parts, StartError};
use futures_util::future::select;
use hydrant_engine::engine::pin_to;
use hydrant_engine::record::KindSet;
use hydrant_engine::route::Demand;
use hydrant_feed::lanes::Lanes;
use hydrant_feed::routers::Routers;
use hydrant_feed::session::FrontendState;
use hydrant_http::Stopping;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep_until;

/// How the worker's end comes, and who hears of it.
pub(crate) struct End {
    /// When it is time, and how long sessions may take for the last of their messages.
    pub(crate) stopping: Stopping,
    /// Dropped when the worker is over.
    pub(crate) working: oneshot::Sender<()>,
}

/// All that the worker's thread takes over.
pub(crate) struct Worker {
    runtime: Runtime,
    input: Input,
    openings: Receiver<Opening>,
    state: Arc<FrontendState>,
    limits: Limits,
    timing: Timing,
    recent: Option<Arc<Recent>>,
    /// What is wanted for it.
    kept: KindSet,
    on_slow: Option<OnSlow>,
    end: End,
}

impl Worker {
    pub(crate) fn new(
        config: &WebsocketConfig,
        timing: Timing,
        parts: Parts,
        openings: Receiver<Opening>,
        state: Arc<FrontendState>,
        recent: Option<Arc<Recent>>,
        end: End,
    ) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let within = runtime.enter();
        let input = Input::new(parts.feed)?;
        drop(within);
        let kept = recent.as_ref().map_or(KindSet::NONE, |_| Recent::KINDS);
        if let Input::Lanes(lanes) = &input {
            // Whoever starts us may count on it.
            lanes.demand().publish(Demand::none().with_kinds(kept));
        }
        Ok(Self {
            runtime,
            input,
            openings,
            state,
            limits: Limits::of(config),
            timing,
            recent,
            kept,
            on_slow: parts.on_slow,
            end,
        })
    }

    /// Starts the thread, pinned if a core is given. It ends by itself once every shard is gone; fed
    /// by other hosts, once somebody waits for it.
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
            input,
            openings,
            timing,
            end,
            recent,
            on_slow,
            ..
        } = self;
        let register = Register::new(self.state, input.source(), self.kept, self.limits);
        let End {
            mut stopping,
            working: _working, // Dropped last: sockets are watched until then.
        } = end;
        let local = LocalSet::new();
        local.block_on(&self.runtime, async {
            let opening = opening::serve(openings, register.clone(), timing, on_slow);
            let opening = spawn_local(opening);
            let pumping = spawn_local(input.pump(register.clone(), recent, stopping.clone()));
            let outcome = pumping.await;
            opening.abort();
            register.stop();
            let emptied = pin!(register.emptied());
            select(emptied, pin!(passed(&mut stopping))).await;
            outcome.map_err(io::Error::other)
        })
        // Sessions that are left end with `local`, and count what they could not deliver.
    }
}

/// Where envelopes come from.
enum Input {
    Lanes(Lanes),
    Routers(Routers),
}

impl Input {
    fn new(feed: Feed) -> io::Result<Self> {
        Ok(match feed {
            Feed::Lanes(reader) => Self::Lanes(Lanes::new(reader)?),
            Feed::Routers(routers) => Self::Routers(routers),
        })
    }

    fn source(&self) -> Source {
        match self {
            Self::Lanes(lanes) => Source::Lanes(lanes.demand()),
            Self::Routers(routers) => Source::Routers(routers.clone()),
        }
    }

    /// Until nothing more comes in. What comes from routers goes to the sessions by itself.
    async fn pump(
        self,
        register: Rc<Register>,
        recent: Option<Arc<Recent>>,
        mut stopping: Stopping,
    ) {
        match self {
            Self::Lanes(lanes) => pump::run(lanes, register, recent).await,
            Self::Routers(routers) => {
                let state = &register.state;
                let kept = recent.map(|recent| routed::keep(&routers, recent, state.clone()));
                stopping.begun().await;
                drop(kept);
            }
        }
    }
}

/// Waits until the deadline is known and over.
async fn passed(stopping: &mut Stopping) {
    stopping.begun().await;
    sleep_until(stopping.deadline().into()).await;
}
