//! A reader beside the writer.

use super::*;
use std::thread;

const WRITTEN: u64 = 50_000;

/// Numbers of an app's logs as a reader sees them.
fn numbers(recent: &Recent) -> Vec<u64> {
    let texts = texts(&recent.logs("a"));
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_reader_sees_an_unbroken_row_while_the_writer_goes_on() {
    let recent = store(50, ByteSize::mib(4));
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 1..=WRITTEN {
                let envelope = log("a", &number.to_string());
                add_v2(&recent, after(number / 1_000), &envelope);
            }
        });
        let mut newest = 0;
        while !writer.is_finished() {
            let numbers = numbers(&recent);
            assert!(numbers.is_sorted_by(|one, next| one + 1 == *next));
            let last = numbers.last().copied().unwrap_or(0);
            assert!(last >= newest, "time goes on");
            newest = last;
        }
    });
    assert!(numbers(&recent).into_iter().eq(WRITTEN - 49..=WRITTEN));
}
