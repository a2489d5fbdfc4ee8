//! Ctrl-C and SIGTERM: the first ends the stream in good order, the second ends the program.

use futures_util::future::{Either, select};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::io;
use std::pin::pin;
use std::thread;
use tokio::sync::watch;

/// Whether we are to end.
#[derive(Clone, Debug)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// From now on signals stop us.
    pub(super) fn on_signals() -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let (stop, stopped) = watch::channel(false);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                let mut signals = signals.forever();
                signals.next();
                stop.send_replace(true);
                if let Some(signal) = signals.next() {
                    emulate_default_handler(signal).ok();
                }
            })?;
        Ok(Self(stopped))
    }

    /// What the future gives, or nothing if we are to end.
    pub(super) async fn or<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let stopped = pin!(self.0.wait_for(|is_stopped| *is_stopped));
        match select(stopped, pin!(future)).await {
            Either::Left(_) => None,
            Either::Right((output, _)) => Some(output),
        }
    }
}
