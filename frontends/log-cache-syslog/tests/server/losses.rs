//! What becomes of envelopes that the node does not take.

use crate::node::{Node, wait_until};
use crate::rig::{Rig, counted, log};
use hydrant_feed::counters::SessionCounter;
use hydrant_log_cache_syslog::SyslogCounter;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tonic::Status;

#[test]
fn a_batch_that_was_not_taken_is_sent_again() {
    let rig = Rig::start(|_| ());
    rig.node
        .refuse([Status::unavailable("a"), Status::resource_exhausted("b")]);
    let _stream = rig.send(&counted(log("app", "x")));
    assert_eq!(rig.node.wait_for(1).len(), 1);
    wait_until("delivered", || rig.session(SessionCounter::Delivered) == 1);
    assert_eq!(rig.count(SyslogCounter::CallsFailed), 2);
    assert_eq!(rig.node.calls(), 3);
    assert_eq!(rig.stop(), 1);
}

#[test]
fn what_the_node_refuses_is_lost_at_once_and_counted() {
    let rig = Rig::start(|_| ());
    rig.node.refuse([Status::internal("malformed")]);
    let _stream = rig.send(&counted(log("app", "x")));
    wait_until("loss", || rig.session(SessionCounter::NotTaken) == 1);
    assert_eq!(rig.node.calls(), 1);
    assert!(
        rig.told().contains("did not take 1 envelopes: "),
        "{}",
        rig.told()
    );
    assert_eq!(rig.stop(), 1);
}

#[test]
fn what_is_refused_again_and_again_is_lost_in_the_end() {
    let rig = Rig::start(|_| ());
    rig.node.refuse((0..5).map(|_| Status::unavailable("no")));
    let _stream = rig.send(&counted(log("app", "x")));
    wait_until("loss", || rig.session(SessionCounter::NotTaken) == 1);
    assert_eq!(
        (rig.node.calls(), rig.count(SyslogCounter::CallsFailed)),
        (5, 5)
    );
    let _stream = rig.send(&counted(log("app", "y")));
    assert_eq!(rig.node.wait_for(1).len(), 1);
    assert_eq!(rig.stop(), 2);
}

#[test]
fn the_oldest_are_lost_when_too_much_waits() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let rig = Rig::before(Node::default(), nobody, |config| {
        config.outbox_bytes = bytesize::ByteSize::mib(16);
    });
    let message = counted(log("app", &"x".repeat(60_000)));
    let stream = rig.send(&message.repeat(600));
    wait_until("losses", || rig.session(SessionCounter::OutboxFull) > 0);
    wait_until("all", || rig.session(SessionCounter::Selected) == 600);
    let (worker, server) = (rig.server.worker.clone(), rig.server);
    // Nobody is there who could take the rest.
    server.stop(Duration::ZERO).unwrap();
    drop(stream);
    let counters = &worker.sessions()[0].counters;
    assert_eq!(counters.waiting(), 0);
    let lost = [
        SessionCounter::OutboxFull,
        SessionCounter::NotTaken,
        SessionCounter::Gone,
    ];
    let lost: u64 = lost.iter().map(|loss| counters.get(*loss)).sum();
    assert_eq!((lost, counters.get(SessionCounter::Delivered)), (600, 0));
    assert!(counters.get(SessionCounter::Gone) > 0);
}

#[test]
fn what_came_before_the_stop_is_delivered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let node = Node::default();
    let rig = Rig::before(node.clone(), listener.local_addr().unwrap(), |_| ());
    let _stream = rig.send(&counted(log("app", "x")).repeat(1000));
    wait_until("all", || rig.session(SessionCounter::Selected) == 1000);
    node.serve(listener);
    assert_eq!(rig.stop(), 1000);
    assert_eq!(node.envelopes().len(), 1000);
}
