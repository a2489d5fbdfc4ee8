//! Asks the Cloud Controller, round after round, and puts what can be used where it is served.

use super::Hooks;
use super::state::{CacheCounter, CacheGauge, CacheState};
use super::store::Store;
use super::told::Told;
use crate::capi::Capi;
use crate::check::{Checked, Checker, Problem};
use crate::wire::{self, DrainUrl};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// What rounds need.
#[derive(Debug)]
pub(super) struct Poller {
    pub(super) capi: Capi,
    pub(super) checker: Checker,
    pub(super) interval: Duration,
    pub(super) warn_on_invalid: bool,
    pub(super) store: Arc<Store>,
    pub(super) state: Arc<CacheState>,
    pub(super) hooks: Hooks,
    pub(super) told: Told,
}

impl Poller {
    /// As upstream, the interval is from the end of a round to the beginning of the next.
    pub(super) async fn run(mut self) {
        loop {
            self.round().await;
            sleep(self.interval).await;
        }
    }

    async fn round(&mut self) {
        self.state.count(CacheCounter::Refreshes);
        match self.capi.list().await {
            Ok(list) => {
                let checked = self.checker.check(list).await;
                self.take(&checked);
                self.tell(&checked.problems);
            }
            Err(error) => {
                self.state.count(CacheCounter::RefreshErrors);
                (self.hooks.report)(&error.to_string());
            }
        }
    }

    fn take(&self, checked: &Checked) {
        let apps = checked.valid.iter().flat_map(DrainUrl::apps);
        let apps: HashSet<_> = apps.map(|app| app.app_id.as_str()).collect();
        let Self { state, store, .. } = self;
        state.set(CacheGauge::LastRefreshCount, apps.len());
        state.set(CacheGauge::Invalid, checked.invalid_drains);
        state.set(CacheGauge::Blacklisted, checked.blacklisted_drains);
        store.set_bindings(wire::bindings(&checked.valid).into());
        state.set(CacheGauge::Cached, apps.len());
    }

    fn tell(&mut self, problems: &[Problem]) {
        self.told.begin_round();
        for problem in problems {
            let is_wanted = self.warn_on_invalid || problem.app.is_none();
            if !is_wanted {
                continue;
            }
            if !self.told.is_due(problem) {
                self.state.count(CacheCounter::Untold);
                continue;
            }
            self.state.count(CacheCounter::Told);
            let message = &problem.message;
            match &problem.app {
                Some(app) => (self.hooks.report)(&format!("{message} for app {app}")),
                None => (self.hooks.report)(message),
            }
            (self.hooks.on_problem)(problem);
        }
    }
}
