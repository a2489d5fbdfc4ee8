//! Who does not answer is not there.

use super::rig::{Client, Rig, block_on, config, eventually, open, over, read_to_end};
use hydrant_feed::counters::SessionCounter;
use std::time::Duration;

#[test]
fn a_ping_without_a_pong_ends_the_session_with_upstreams_words() {
    let rig = Rig::with(&config(), |timing| {
        timing.pong_within = Duration::from_millis(50);
        timing.close_within = Duration::from_millis(50);
    });
    let state = rig.state();
    let mut stream = open(rig.address(), "/firehose/a");
    let said = read_to_end(&mut stream);
    let reason = "Client did not respond to ping before keep-alive timeout expired.";
    let mut expected = vec![0x89, 0, 0x88, u8::try_from(reason.len() + 2).unwrap()];
    expected.extend(1008_u16.to_be_bytes());
    expected.extend(reason.bytes());
    assert_eq!(said, expected);
    eventually(|| state.sessions().is_empty());
    let state = rig.stop();
    assert_eq!(over(&state, "firehose", SessionCounter::Selected), 0);
}

#[test]
fn a_session_that_answers_is_asked_again_and_again() {
    let rig = Rig::with(&config(), |timing| {
        timing.ping_pause = Duration::from_millis(2);
    });
    let state = rig.state();
    block_on(async {
        let mut client = Client::connect(rig.address(), "/firehose/a").await;
        client.pings(10).await;
    });
    assert_eq!(state.sessions().len() + state.over().len(), 1);
    rig.stop();
}
