use super::*;
use crate::config::DestinationConfig;
use crate::state::ForwardState;
use hydrant_feed::ending::Phase;
use std::time::Duration;

fn session(outbox_bytes: usize) -> Session {
    let state = ForwardState::new(&[DestinationConfig::at("localhost:1")]);
    Session::new(
        state.destinations[0].clone(),
        Packing::Hundred,
        outbox_bytes,
    )
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

#[test]
fn the_first_after_silence_leaves_at_once_and_the_next_ones_together() {
    runtime().block_on(async {
        tokio::time::pause();
        let session = session(1 << 20);
        let (_phase, ending) = Ending::new();
        session.push(b"a");
        let begin = Instant::now();
        assert_eq!(session.next(&ending).await.unwrap().envelopes, 1);
        assert_eq!(begin.elapsed(), Duration::ZERO);
        session.push(b"b");
        session.push(b"c");
        assert_eq!(session.next(&ending).await.unwrap().envelopes, 2);
        let waited = begin.elapsed();
        assert!((FLUSH..FLUSH * 2).contains(&waited), "{waited:?}");
    });
}

#[test]
fn a_whole_message_waits_for_nothing() {
    runtime().block_on(async {
        tokio::time::pause();
        let session = session(1 << 20);
        let (_phase, ending) = Ending::new();
        session.push(b"a");
        session.next(&ending).await.unwrap();
        let begin = Instant::now();
        for _ in 0..100 {
            session.push(b"b");
        }
        assert_eq!(session.next(&ending).await.unwrap().envelopes, 100);
        assert_eq!(begin.elapsed(), Duration::ZERO);
    });
}

#[test]
fn what_is_left_leaves_at_the_end_and_then_nothing_comes() {
    runtime().block_on(async {
        let session = session(1 << 20);
        let (phase, ending) = Ending::new();
        session.push(b"a");
        session.next(&ending).await.unwrap();
        session.push(b"b");
        phase.send_replace(Phase::Flushing);
        assert_eq!(session.next(&ending).await.unwrap().envelopes, 1);
        assert!(session.next(&ending).await.is_none());
    });
}

#[test]
fn a_full_outbox_loses_the_oldest_and_counts_them() {
    let session = session(100_000);
    let envelope = [0; 1000];
    for _ in 0..1000 {
        session.push(&envelope);
    }
    let counters = &session.state.session.counters;
    let lost = counters.get(SessionCounter::OutboxFull);
    assert!((900..1000).contains(&lost), "{lost}");
    assert_eq!(counters.waiting(), 1000 - lost);
    session.abandon();
    assert_eq!(counters.get(SessionCounter::Gone), 1000 - lost);
    assert_eq!(counters.waiting(), 0);
}
