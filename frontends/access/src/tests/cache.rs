//! What is remembered, and for how long.

use super::{GUID, Rig, header};
use crate::AccessCounter::{Asked, Cached, Granted, Refused};
use crate::memory::{ANSWERS_MAX, Memory};
use crate::{LogAccess, Question};
use std::thread::sleep;
use std::time::{Duration, Instant};

const OTHER: &str = "01234567-89AB-cdef-0123-456789abcdef";
const LONG: Duration = Duration::from_secs(3600);

fn remembering() -> Rig {
    let rig = Rig::with(|allowance| allowance.cache = LONG);
    rig.uaa.know("good", &["doppler.firehose"]);
    rig.capi.show(GUID);
    rig
}

#[test]
fn what_is_allowed_is_asked_once() {
    let rig = remembering();
    for _ in 0..3 {
        assert!(rig.reads_firehose("bearer good"));
        assert_eq!(rig.log_access("bearer good", GUID), LogAccess::Granted);
    }
    assert_eq!((rig.uaa.asked(), rig.capi.asked()), (1, 1));
    let counts = [(Asked, 1), (Cached, 2), (Granted, 1)];
    assert_eq!(rig.counts(Question::CheckToken), counts);
    assert_eq!(rig.counts(Question::LogAccess), counts);
}

#[test]
fn each_question_is_another() {
    let rig = remembering();
    assert!(rig.reads_firehose("bearer good"));
    assert_eq!(rig.log_access("bearer good", GUID), LogAccess::Granted);
    assert!(!rig.reads_firehose("bearer goo"));
    assert_eq!(rig.log_access("bearer good", OTHER), LogAccess::NotFound);
    rig.capi.know("bearer good");
    assert_eq!(rig.log_access("bearer bad", GUID), LogAccess::Unauthorized);
    let token = header("bearer good");
    let has_scope = rig.access.has_scope(&token, &["logs.admin"]);
    assert_ne!(rig.runtime.block_on(has_scope), crate::Verdict::Granted);
    assert_eq!((rig.uaa.asked(), rig.capi.asked()), (3, 3));
}

#[test]
fn what_is_not_allowed_is_asked_again() {
    let rig = remembering();
    assert!(!rig.reads_firehose("bearer new"));
    rig.uaa.know("new", &["doppler.firehose"]);
    assert!(rig.reads_firehose("bearer new"));
    let counts = [(Asked, 2), (Granted, 1), (Refused, 1)];
    assert_eq!(rig.counts(Question::CheckToken), counts);
    rig.capi.say(OTHER, "500 Internal Server Error");
    assert_eq!(rig.log_access("bearer x", OTHER), LogAccess::Failed);
    rig.capi.show(OTHER);
    assert_eq!(rig.log_access("bearer x", OTHER), LogAccess::Granted);
}

#[test]
fn without_a_cache_everything_is_asked() {
    let rig = Rig::new();
    rig.uaa.know("good", &["doppler.firehose"]);
    assert!(rig.reads_firehose("bearer good"));
    rig.uaa.expire("good");
    assert!(!rig.reads_firehose("bearer good"));
}

#[test]
fn what_was_allowed_is_over_soon() {
    let rig = Rig::with(|allowance| allowance.cache = Duration::from_millis(100));
    rig.uaa.know("good", &["doppler.firehose"]);
    assert!(rig.reads_firehose("bearer good"));
    rig.uaa.expire("good");
    sleep(Duration::from_millis(150));
    assert!(!rig.reads_firehose("bearer good"));
}

#[test]
fn memory_lasts_and_is_renewed() {
    let memory = Memory::new(Duration::from_secs(5)).unwrap().unwrap();
    let (mark, start) = (memory.mark("kind", &[b"token"]), Instant::now());
    let after = |seconds| start + Duration::from_secs(seconds);
    assert!(!memory.knows(&mark, start));
    memory.learn(mark, start);
    assert!(memory.knows(&mark, after(4)));
    assert!(!memory.knows(&mark, after(5)));
    memory.learn(mark, after(4));
    // What comes at 6 forgets what was learnt at 0, not at 4.
    memory.learn(memory.mark("kind", &[b"other"]), after(6));
    assert!(memory.knows(&mark, after(8)));
    assert!(!memory.knows(&mark, after(9)));
    assert!(Memory::new(Duration::ZERO).unwrap().is_none());
}

#[test]
fn memory_is_bounded_and_forgets_the_oldest() {
    let memory = Memory::new(LONG).unwrap().unwrap();
    let mark = |number: usize| memory.mark("kind", &[&number.to_le_bytes()]);
    let now = Instant::now();
    for number in 0..=ANSWERS_MAX {
        memory.learn(mark(number), now + Duration::from_nanos(number as u64));
    }
    assert!(!memory.knows(&mark(0), now));
    assert!((1..=ANSWERS_MAX).all(|number| memory.knows(&mark(number), now)));
}

#[test]
fn marks_tell_nothing_and_mix_nothing_up() {
    let memory = Memory::new(LONG).unwrap().unwrap();
    let other = Memory::new(LONG).unwrap().unwrap();
    let mark = memory.mark("kind", &[b"ab", b"c"]);
    assert_eq!(mark, memory.mark("kind", &[b"ab", b"c"]));
    assert_ne!(mark, memory.mark("kind", &[b"a", b"bc"]));
    assert_ne!(mark, memory.mark("kin", &[b"dab", b"c"]));
    assert_ne!(mark, memory.mark("kind", &[b"ab", b"c", b""]));
    // Under another key it is another.
    assert_ne!(mark, other.mark("kind", &[b"ab", b"c"]));
    assert!(!format!("{memory:?}").contains("hash"));
}
