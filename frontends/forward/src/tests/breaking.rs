//! Destinations that are dead, die, take nothing or refuse: what that costs, and that it is counted.

use super::rig::{Counted, LONG, Peer, Rig, destination, texts, wait_until};
use crate::state::DestinationCounter;
use hydrant_feed::counters::SessionCounter;
use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(300);

fn losses(counted: &Counted, destination: usize) -> u64 {
    counted.state.destinations[destination].lost()
}

#[test]
fn a_dead_destination_costs_only_what_is_meant_for_it() {
    let (live, dead) = (Peer::start(), Peer::down());
    let config = destination(&dead.address, "") + &destination(&live.address, "");
    let mut rig = Rig::start(&config);
    rig.logs(texts(1_000));
    live.wait_for(1_000);
    assert_eq!(live.texts(), texts(1_000));
    let counted = rig.stop(SHORT);
    assert_eq!(counted.of(0, SessionCounter::Gone), 1_000);
    assert_eq!(counted.of(1, SessionCounter::Delivered), 1_000);
    let dead = &counted.state.destinations[0];
    assert!(dead.get(DestinationCounter::Failures) > 0);
    assert!(
        dead.session.error().contains("refused"),
        "{}",
        dead.session.error()
    );
}

#[test]
fn what_waits_for_one_that_comes_later_is_not_lost() {
    let mut peer = Peer::down();
    let mut rig = Rig::start(&destination(&peer.address, ""));
    rig.logs(texts(1_000));
    let state = rig.state();
    wait_until(|| state.destinations[0].get(DestinationCounter::Failures) > 0);
    peer.run();
    peer.wait_for(1_000);
    assert_eq!(peer.texts(), texts(1_000));
    assert_eq!(losses(&rig.stop(LONG), 0), 0);
}

#[test]
fn one_that_takes_nothing_loses_its_oldest_and_no_other_loses_anything() {
    let (stalled, live) = (Peer::start(), Peer::start());
    stalled.seen.stalls.store(true, Ordering::Relaxed);
    let config = "outbox_bytes = '12 MiB'\n".to_owned()
        + &destination(&stalled.address, "")
        + &destination(&live.address, "");
    let mut rig = Rig::start(&config);
    let state = rig.state();
    wait_until(|| state.destinations.iter().all(|one| one.open_streams() == 1));
    let long = "x".repeat(10_000);
    for round in 0..30 {
        rig.logs((0..100).map(|_| long.clone()));
        live.wait_for((round + 1) * 100);
    }
    assert!(rig.count(0, SessionCounter::OutboxFull) > 500);
    assert_eq!(rig.count(1, SessionCounter::OutboxFull), 0);
    let counted = rig.stop(SHORT);
    assert_eq!(losses(&counted, 1), 0);
    assert!(counted.of(0, SessionCounter::Gone) > 0);
    assert_eq!(counted.of(0, SessionCounter::Selected), 3_000);
}

#[test]
fn a_stream_that_breaks_loses_what_had_begun_and_nothing_comes_twice() {
    let mut peer = Peer::start();
    peer.seen.stalls.store(true, Ordering::Relaxed);
    let mut rig = Rig::start(&destination(&peer.address, ""));
    let state = rig.state();
    wait_until(|| state.destinations[0].open_streams() == 1);
    // More than HTTP/2's window, so that some has left, some is under way and some waits.
    let text = |number: usize| format!("{number} {}", "x".repeat(1_000));
    rig.logs((0..2_000).map(text));
    wait_until(|| {
        state.destinations[0]
            .session
            .counters
            .get(SessionCounter::Selected)
            == 2_000
    });
    std::thread::sleep(Duration::from_millis(50));
    peer.kill();
    peer.seen.stalls.store(false, Ordering::Relaxed);
    peer.run();
    let counted = rig.stop(LONG);
    let taken = peer.texts();
    let distinct: HashSet<_> = taken.iter().collect();
    assert_eq!(distinct.len(), taken.len(), "nothing comes twice");
    let [delivered, broken] = [SessionCounter::Delivered, SessionCounter::Broken]
        .map(|counter| usize::try_from(counted.of(0, counter)).unwrap());
    assert_eq!(delivered + broken, 2_000);
    assert!(broken > 0, "some of it had left");
    // What the first stream had delivered died with the peer; the rest came.
    assert!(taken.len() <= delivered && !taken.is_empty());
    let unconfirmed = counted.state.destinations[0].get(DestinationCounter::Unconfirmed);
    assert_eq!(unconfirmed, (delivered - taken.len()) as u64);
    assert_eq!(
        counted.state.destinations[0].get(DestinationCounter::Breaks),
        1
    );
}

#[test]
fn a_peer_that_refuses_every_stream_is_tried_again_and_nothing_is_uncounted() {
    let peer = Peer::start();
    peer.seen.refuses.store(true, Ordering::Relaxed);
    let mut rig = Rig::start(&destination(&peer.address, ""));
    let state = rig.state();
    let destination = &state.destinations[0];
    for round in 1..=3 {
        rig.logs(texts(10));
        wait_until(|| destination.get(DestinationCounter::Breaks) >= round);
    }
    assert!(destination.session.error().contains("refused"));
    let counted = rig.stop(LONG);
    let sum = counted.of(0, SessionCounter::Delivered) + losses(&counted, 0);
    assert_eq!(sum, 30);
}

#[test]
fn the_other_zone_is_tried_if_the_own_one_has_no_address() {
    let peer = Peer::start();
    let preferred = "preferred_address = 'no-such-zone.invalid:8082'\ninsecure = true";
    let mut rig = Rig::start(&destination(&peer.address, preferred));
    rig.logs(texts(10));
    peer.wait_for(10);
    assert_eq!(losses(&rig.stop(LONG), 0), 0);
}

#[test]
fn the_other_zone_is_tried_if_the_own_one_cannot_be_connected_to() {
    let (own, other) = (Peer::down(), Peer::start());
    let preferred = format!("preferred_address = '{}'", own.address);
    let mut rig = Rig::start(&destination(&other.address, &preferred));
    rig.logs(texts(10));
    other.wait_for(10);
    assert_eq!(losses(&rig.stop(LONG), 0), 0);
}

#[test]
fn the_own_zone_comes_first() {
    let (own, other) = (Peer::start(), Peer::start());
    let preferred = format!("preferred_address = '{}'\nconnections = 3", own.address);
    let mut rig = Rig::start(&destination(&other.address, &preferred));
    let state = rig.state();
    wait_until(|| state.destinations[0].open_streams() == 3);
    rig.logs(texts(10));
    own.wait_for(10);
    assert_eq!(other.seen.streams.load(Ordering::Relaxed), 0);
    drop(rig.stop(LONG));
}
