//! Many questions at a time.

use super::{GUID, HURRY, Rig, header};
use crate::AccessCounter::{Abandoned, Asked, Cached, Crowded, Granted, Refused};
use crate::fakes::Manner;
use crate::{LogAccess, Question};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

#[test]
fn questions_under_way_are_bounded_and_each_gets_its_turn() {
    let rig = Rig::with(|allowance| allowance.questions_max = 4);
    rig.uaa.set_manner(Manner::Slow(Duration::from_millis(10)));
    rig.runtime.block_on(async {
        let mut asking = JoinSet::new();
        for number in 0..40 {
            let (access, token) = (
                rig.access.clone(),
                header(&format!("bearer wrong-{number}")),
            );
            asking.spawn(async move { access.may_read_firehose(&token).await });
        }
        assert!(asking.join_all().await.iter().all(|may_read| !may_read));
    });
    assert_eq!(
        rig.counts(Question::CheckToken),
        [(Asked, 40), (Refused, 40)]
    );
    let open_max = rig.uaa.peer().open_max();
    assert!((1..=4).contains(&open_max), "{open_max}");
}

#[test]
fn a_thousand_wrong_tokens_cost_who_is_known_nothing() {
    let rig = Rig::with(|allowance| {
        allowance.questions_max = 32;
        allowance.cache = Duration::from_secs(3600);
    });
    rig.uaa.know("good", &["doppler.firehose"]);
    assert!(rig.reads_firehose("bearer good"));
    // So that they are still under way when the good one comes.
    rig.uaa.set_manner(Manner::Slow(Duration::from_millis(5)));
    rig.runtime.block_on(async {
        let mut asking = JoinSet::new();
        for number in 0..1_000 {
            let (access, token) = (
                rig.access.clone(),
                header(&format!("bearer wrong-{number}")),
            );
            asking.spawn(async move { access.may_read_firehose(&token).await });
        }
        while rig.uaa.asked() < 50 {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(rig.access.may_read_firehose(&header("bearer good")).await);
        assert!(asking.join_all().await.iter().all(|may_read| !may_read));
    });
    let counts = [(Asked, 1_001), (Cached, 1), (Granted, 1), (Refused, 1_000)];
    assert_eq!(rig.counts(Question::CheckToken), counts);
    assert!(rig.uaa.peer().open_max() <= 32);
}

#[test]
fn who_does_not_get_a_turn_in_time_is_refused() {
    let rig = Rig::with(|allowance| {
        allowance.questions_max = 0;
        allowance.answer_timeout = HURRY;
    });
    rig.uaa.know("good", &["doppler.firehose"]);
    rig.capi.show(GUID);
    assert!(!rig.reads_firehose("bearer good"));
    assert_eq!(rig.log_access("bearer good", GUID), LogAccess::Failed);
    assert_eq!(rig.counts(Question::CheckToken), [(Crowded, 1)]);
    assert_eq!(rig.counts(Question::LogAccess), [(Crowded, 1)]);
    assert_eq!((rig.uaa.asked(), rig.capi.asked()), (0, 0));
}

#[test]
fn the_turns_of_one_service_are_not_the_others() {
    let rig = Rig::with(|allowance| allowance.questions_max = 1);
    rig.uaa.set_manner(Manner::Silent);
    rig.capi.show(GUID);
    rig.runtime.block_on(async {
        let (access, token) = (rig.access.clone(), header("bearer wrong"));
        let asking = tokio::spawn(async move { access.may_read_firehose(&token).await });
        while rig.uaa.asked() == 0 {
            sleep(Duration::from_millis(2)).await;
        }
        let token = header("bearer x");
        let log_access = rig.access.log_access(&token, GUID).await;
        assert_eq!(log_access, LogAccess::Granted);
        assert!(!asking.is_finished());
        asking.abort();
    });
}

#[test]
fn those_who_wait_for_the_same_answer_share_it() {
    let rig = Rig::with(|allowance| {
        allowance.questions_max = 2;
        allowance.cache = Duration::from_secs(3600);
    });
    rig.uaa.know("good", &["doppler.firehose"]);
    rig.uaa.set_manner(Manner::Slow(Duration::from_millis(50)));
    rig.runtime.block_on(async {
        let mut asking = JoinSet::new();
        for _ in 0..50 {
            let (access, token) = (rig.access.clone(), header("bearer good"));
            asking.spawn(async move { access.may_read_firehose(&token).await });
        }
        assert!(asking.join_all().await.iter().all(|may_read| *may_read));
    });
    let counts = [(Asked, 2), (Cached, 48), (Granted, 2)];
    assert_eq!(rig.counts(Question::CheckToken), counts);
}

#[test]
fn who_leaves_makes_room() {
    let rig = Rig::with(|allowance| allowance.questions_max = 1);
    rig.uaa.know("good", &["doppler.firehose"]);
    rig.uaa.set_manner(Manner::Silent);
    rig.runtime.block_on(async {
        let token = header("bearer good");
        let asking = rig.access.may_read_firehose(&token);
        timeout(HURRY, asking).await.unwrap_err();
        rig.uaa.set_manner(Manner::Prompt);
        assert!(rig.access.may_read_firehose(&token).await);
    });
    let counts = [(Asked, 2), (Granted, 1), (Abandoned, 1)];
    assert_eq!(rig.counts(Question::CheckToken), counts);
}
