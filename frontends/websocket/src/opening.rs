//! How a session comes from the thread that speaks HTTP to the worker that serves it: its place is
//! there, and its records are on their way into its outbox, before its client is answered.

use crate::register::Register;
use crate::routes::Target;
use crate::session;
use crate::slow::OnSlow;
use crate::timing::Timing;
use hydrant_feed::session::FrontendState;
use hyper::upgrade::OnUpgrade;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_local;

/// Sessions that may be on their way at a time; each waits for microseconds.
const OPENINGS_MAX: usize = 64;

/// A session that is to be opened.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) target: Target,
    /// How the register calls it.
    pub(crate) name: String,
    pub(crate) peer: SocketAddr,
    /// Of whom a proxy says that it forwards for them.
    pub(crate) forwarded_for: String,
    /// What becomes its connection once the client has its answer.
    pub(crate) upgrade: OnUpgrade,
    /// Told when the session is open; dropped if it cannot be.
    pub(crate) opened: oneshot::Sender<()>,
}

/// Where to send sessions.
#[derive(Debug)]
pub(crate) struct Openings {
    worker: mpsc::Sender<Opening>,
    state: Arc<FrontendState>,
    sessions_max: usize,
}

/// No session can be opened now.
#[derive(Debug)]
pub(crate) struct Full;

/// A way to a worker, and the worker's end of it.
pub(crate) fn openings(
    state: Arc<FrontendState>,
    sessions_max: usize,
) -> (Openings, mpsc::Receiver<Opening>) {
    let (worker, receiver) = mpsc::channel(OPENINGS_MAX);
    let openings = Openings {
        worker,
        state,
        sessions_max,
    };
    (openings, receiver)
}

impl Openings {
    /// Whether a session would find no room: who is refused learns that first.
    pub(crate) fn is_full(&self) -> bool {
        self.worker.is_closed() || self.state.session_count() >= self.sessions_max
    }

    /// Opens a session: it waits for its upgrade when this returns.
    ///
    /// # Errors
    /// There are as many as may be, or the worker stops.
    pub(crate) async fn open(
        &self,
        opening: impl FnOnce(oneshot::Sender<()>) -> Opening,
    ) -> Result<(), Full> {
        let (opened, is_open) = oneshot::channel();
        self.worker.send(opening(opened)).await.or(Err(Full))?;
        is_open.await.or(Err(Full))
    }
}

/// Opens what comes, for as long as anybody may send.
pub(crate) async fn serve(
    mut openings: mpsc::Receiver<Opening>,
    register: Rc<Register>,
    timing: Timing,
    on_slow: Option<OnSlow>,
) {
    while let Some(opening) = openings.recv().await {
        let Opening {
            target,
            name,
            peer,
            forwarded_for,
            upgrade,
            opened,
        } = opening;
        // Who is not told that it is open is told that there is no room.
        if let Some(registration) = register.open(target, name, peer)
            && opened.send(()).is_ok()
        {
            let slow = on_slow.clone().map(|on_slow| (on_slow, forwarded_for));
            spawn_local(session::run(upgrade, registration, timing, slow));
        }
    }
}
