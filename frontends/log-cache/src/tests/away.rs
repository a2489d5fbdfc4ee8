//! Nodes that are not there, die, come back, or do not take what they are sent.

use super::rig::{Rig, gauge, log, lost, source_of, wait_until};
use crate::config::LogCacheConfig;
use crate::counters::NodeCounter;
use bytes::Bytes;
use hydrant_feed::counters::SessionCounter;
use hydrant_proto::logcache::ReadRequest;
use hydrant_rpc::logcache::ingress::{Ingress, IngressServer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tonic::{Code, Request, Response, Status};

fn read_of(source_id: &str) -> ReadRequest {
    ReadRequest {
        source_id: source_id.to_owned(),
        ..Default::default()
    }
}

#[test]
fn an_absent_node_costs_only_what_it_would_keep() {
    let mut rig = Rig::of(3, LogCacheConfig::default());
    rig.start(0);
    rig.start(1);
    let sources = [0, 1, 2].map(|node| source_of(node, 3));
    for source in &sources {
        rig.send(0, &[gauge(source, 1, 7.0), log(source, 2)]);
    }
    wait_until("envelope at its node", || rig.kept(1) == 2);
    wait_until("loss", || lost(&rig.sent(0, 2).counters) == 2);
    assert_eq!(rig.counts(0, 2, SessionCounter::Gone), 2);
    assert_eq!(rig.counts(0, 2, SessionCounter::MaybeTwice), 0);
    assert!(rig.count(0, NodeCounter::SendFailures) >= 2);
    assert!(rig.sent(0, 2).error().contains("refused"));

    assert_eq!(rig.read(0, &read_of(&sources[2])).unwrap(), []);
    assert_eq!(rig.count(0, NodeCounter::ReadsAway), 1);
    assert_eq!(rig.read(0, &read_of(&sources[1])).unwrap().len(), 2);
    let known = rig.meta(0, false);
    let is_known = sources.each_ref().map(|source| known.contains_key(source));
    assert_eq!(is_known, [true, true, false]);
    assert_eq!(rig.count(0, NodeCounter::MetaAway), 1);
    let third = Some(rig.address(2));
    assert_eq!(rig.away_of_read(0, &read_of(&sources[2])), third);
    assert_eq!(rig.away_of_read(0, &read_of(&sources[1])), None);
    assert_eq!(rig.away_of_meta(0), third);

    let load = |source: &str| format!("load{{source_id=\"{source}\"}}");
    assert_eq!(rig.query(0, &load(&sources[1])).unwrap(), [7.0]);
    let both = format!("{} or {}", load(&sources[0]), load(&sources[2]));
    let refused = rig.query(0, &both).unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let said = format!(
        "source \"{}\" is kept by node 2, which cannot be read",
        sources[2]
    );
    assert!(refused.message().starts_with(&said), "{refused}");
    assert_eq!(rig.count(0, NodeCounter::QueriesAway), 1);
}

#[test]
fn the_ledger_balances_when_a_node_dies_and_returns() {
    let mut rig = Rig::new(2);
    let source = source_of(1, 2);
    let (mut sent, mut kept) = (0, 0);
    for round in 0..3 {
        for _ in 0..20 {
            let envelopes: Vec<_> = (0..50).map(|number| log(&source, sent + number)).collect();
            rig.send(0, &envelopes);
            sent += 50;
        }
        if round == 1 {
            // What came while it was away and was not lost is delivered when it is back.
            rig.start(1);
        }
        let session = rig.sent(0, 1);
        if round != 0 {
            wait_until("rest", || session.counters.waiting() == 0);
        }
        if round < 1 {
            kept += rig.stop(1).get(NodeCounter::Ingress);
        }
    }
    kept += rig.count(1, NodeCounter::Ingress);
    let session = rig.sent(0, 1);
    let counters = &session.counters;
    let delivered = counters.get(SessionCounter::Delivered);
    assert_eq!(counters.get(SessionCounter::Selected), sent.cast_unsigned());
    assert_eq!(delivered + lost(counters), sent.cast_unsigned());
    // What was sent again, or broke, may have arrived.
    let unknown = counters.get(SessionCounter::MaybeTwice) + counters.get(SessionCounter::Broken);
    assert!(
        (delivered..=delivered + unknown).contains(&kept),
        "{kept} of {delivered}"
    );
    assert!(delivered >= 1_000, "{delivered}");
}

#[test]
fn a_full_outbox_loses_its_oldest_and_counts_them() {
    let config = LogCacheConfig {
        peer_outbox_count: 500,
        ..Default::default()
    };
    let mut rig = Rig::of(2, config);
    rig.start(0);
    let source = source_of(1, 2);
    let envelopes: Vec<_> = (0..5_000)
        .rev()
        .map(|number| log(&source, number))
        .collect();
    rig.send(0, &envelopes);
    let full = rig.counts(0, 1, SessionCounter::OutboxFull);
    assert!((4_400..5_000).contains(&full), "{full}");
    rig.start(1);
    let session = rig.sent(0, 1);
    wait_until("rest", || session.counters.waiting() == 0);
    let counters = &session.counters;
    assert_eq!(
        counters.get(SessionCounter::Delivered) + lost(counters),
        5_000
    );
    // The newest is the last that could be lost.
    let newest = ReadRequest {
        descending: true,
        limit: 1,
        ..read_of(&source)
    };
    assert_eq!(rig.read(0, &newest).unwrap(), [log(&source, 0)]);
    assert_eq!(rig.kept(1), counters.get(SessionCounter::Delivered));
}

#[test]
fn what_waits_at_the_end_leaves_or_is_lost_by_name() {
    let config = LogCacheConfig {
        peer_batch_ms: 3_600_000,
        ..Default::default()
    };
    let mut rig = Rig::of(3, config);
    rig.start(0);
    rig.start(1);
    let away = rig.sent(0, 2);
    let there = rig.sent(0, 1);
    rig.send(0, &[log(&source_of(1, 3), 1), log(&source_of(2, 3), 2)]);
    assert_eq!((there.counters.waiting(), away.counters.waiting()), (1, 1));
    rig.stop(0);
    assert_eq!(there.counters.get(SessionCounter::Delivered), 1);
    assert_eq!(away.counters.get(SessionCounter::Gone), 1);
    assert_eq!(away.counters.waiting(), 0);
    assert_eq!(rig.kept(1), 1);
}

/// A node that keeps nothing: it refuses, or takes so long that nobody waits for it.
struct Unwilling {
    refuses: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
}

#[tonic::async_trait]
impl Ingress for Unwilling {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.refuses.load(Ordering::Relaxed) {
            return Err(Status::resource_exhausted("too large"));
        }
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        Ok(Response::new(Bytes::new()))
    }
}

#[test]
fn what_is_refused_is_lost_at_once_and_what_is_unanswered_may_be_there_twice() {
    let mut rig = Rig::of(2, LogCacheConfig::default());
    rig.start(0);
    let refuses = Arc::new(AtomicBool::new(true));
    let calls = Arc::<AtomicU64>::default();
    let node = Unwilling {
        refuses: refuses.clone(),
        calls: calls.clone(),
    };
    rig.serve(1, IngressServer::new(node));
    let source = source_of(1, 2);
    rig.send(0, &[log(&source, 1), log(&source, 2)]);
    let session = rig.sent(0, 1);
    wait_until("refusal", || {
        session.counters.get(SessionCounter::Refused) == 2
    });
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert!(session.error().contains("too large"), "{}", session.error());
    refuses.store(false, Ordering::Relaxed);
    rig.send(0, &[log(&source, 3)]);
    wait_until("second attempt", || calls.load(Ordering::Relaxed) == 3);
    rig.stop(0);
    assert_eq!(session.counters.get(SessionCounter::Broken), 1);
    assert!(session.counters.get(SessionCounter::MaybeTwice) >= 1);
    assert_eq!(session.counters.waiting(), 0);
}
