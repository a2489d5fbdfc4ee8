//! What frontend workers work with: lanes of this host's shards, or other hosts.

use super::StartError;
use crate::config::{Config, GRPC, LoadError, WEBSOCKET};
use hydrant_engine::engine::{DrivenIntake, Engine};
use hydrant_engine::lanes::LaneReader;
use hydrant_feed::routers::Routers;
use hydrant_grpc::{Feed, WorkerParts};
use hydrant_rpc::tls::ClientTls;
use std::collections::VecDeque;
use std::iter::repeat_with;
use std::mem;

/// The routers that feed us, and how we prove to them who we are.
pub(super) struct Routing {
    pub(super) routers: Routers,
    pub(super) tls: Option<ClientTls>,
}

impl Routing {
    pub(super) fn of(config: &Config) -> Result<Option<Self>, StartError> {
        let Some(config) = &config.routers else {
            return Ok(None);
        };
        let tls = config.load_tls()?;
        let routers = Routers::new(config, tls.as_ref()).map_err(LoadError::from)?;
        Ok(Some(Self { routers, tls }))
    }
}

/// Frontend workers that have not been started, with what each reads and where it runs.
pub(super) struct Workers {
    waiting: VecDeque<((LaneReader, Option<usize>), &'static str)>,
    /// The shards that gRPC workers drive.
    intakes: Vec<DrivenIntake>,
}

impl Workers {
    /// The engine, and what reads its lanes.
    pub(super) fn of(config: &Config) -> Result<(Engine, Self), StartError> {
        let reader = |_: &&str| LaneReader::new().map_err(StartError::Bell);
        let readers: Result<Vec<_>, _> = config.workers().iter().map(reader).collect();
        let mut readers = readers?;
        let mut engine = Engine::start(&config.engine, &mut readers)?;
        let cores = config.frontend_cores().map_err(LoadError::from)?;
        let mut intakes = Vec::new();
        for (worker, core) in config.workers().iter().zip(&cores) {
            if *worker == GRPC {
                intakes.push(engine.add_intake(*core, config.engine.lane_bytes, &mut readers));
            }
        }
        let parts = readers.into_iter().zip(cores);
        let waiting = parts.zip(config.workers()).collect();
        Ok((engine, Self { waiting, intakes }))
    }

    /// What the next worker works with, if it is one of this frontend.
    pub(super) fn next(&mut self, frontend: &str) -> Option<(LaneReader, Option<usize>)> {
        if self.waiting.front()?.1 != frontend {
            return None;
        }
        let (parts, _) = self.waiting.pop_front()?;
        Some(parts)
    }

    /// What the WebSocket worker works with, if there is to be one.
    pub(super) fn websocket(
        &mut self,
        routing: Option<&Routing>,
        config: &Config,
    ) -> Option<(hydrant_websocket::Feed, Option<usize>)> {
        if let Some(routing) = routing.filter(|_| config.websocket.enabled) {
            let feed = hydrant_websocket::Feed::Routers(routing.routers.clone());
            return Some((feed, None));
        }
        let (reader, core) = self.next(WEBSOCKET)?;
        Some((hydrant_websocket::Feed::Lanes(reader), core))
    }

    /// What all gRPC workers work with; without lanes they are not pinned.
    pub(super) fn grpc(&mut self, routing: Option<&Routing>, config: &Config) -> Vec<WorkerParts> {
        if let Some(routing) = routing.filter(|_| config.grpc.enabled) {
            let parts = || WorkerParts {
                feed: Feed::Routers(routing.routers.clone()),
                core: None,
            };
            return repeat_with(parts).take(config.grpc.workers).collect();
        }
        let mut parts = Vec::new();
        for intake in mem::take(&mut self.intakes) {
            if let Some((reader, core)) = self.next(GRPC) {
                let feed = Feed::Lanes { reader, intake };
                parts.push(WorkerParts { feed, core });
            }
        }
        parts
    }
}
