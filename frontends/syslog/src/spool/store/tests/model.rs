//! Any sequence of what may happen to a store, against what we know of it.

use super::*;
use proptest::prelude::*;

/// What may happen to a store.
#[derive(Clone, Debug)]
enum Step {
    Append { line_count: u64, line_bytes: usize },
    Read { bytes_max: usize, settled: usize },
    Kill,
    Stop,
    Truncate { bytes: usize },
    Flip { segment: usize, at: usize },
}

fn steps(harm: bool) -> impl Strategy<Value = Vec<Step>> {
    let append = (1_u64..40, 0_usize..3000);
    let append = append.prop_map(|(line_count, line_bytes)| Step::Append {
        line_count,
        line_bytes,
    });
    let read = (1_usize..100_000, 0_usize..60);
    let read = read.prop_map(|(bytes_max, settled)| Step::Read { bytes_max, settled });
    let truncate = (0_usize..200_000).prop_map(|bytes| Step::Truncate { bytes });
    let flip = (0_usize..9, 0_usize..100_000);
    let flip = flip.prop_map(|(segment, at)| Step::Flip { segment, at });
    let harm = u32::from(harm);
    let step = prop_oneof![
        12 => append,
        8 => read,
        1 => Just(Step::Kill),
        1 => Just(Step::Stop),
        harm => truncate,
        harm => flip,
    ];
    proptest::collection::vec(step, 0..80)
}

async fn take(rig: &mut Rig, step: Step) {
    match step {
        Step::Append {
            line_count,
            line_bytes,
        } => rig.append(line_count, line_bytes).await,
        Step::Read { bytes_max, settled } => {
            if rig.at_hand.is_empty() {
                rig.read(bytes_max).await;
            }
            rig.settle(settled).await;
        }
        Step::Kill => rig.reopen(false, |_| ()).await,
        Step::Stop => rig.reopen(true, |_| ()).await,
        Step::Truncate { bytes } => {
            let cut = |content: &mut Vec<u8>| content.truncate(content.len().saturating_sub(bytes));
            rig.reopen(false, |folder| last_segment(folder, cut)).await;
        }
        Step::Flip { segment, at } => {
            let flip = |content: &mut Vec<u8>| {
                let at = at % content.len().max(1);
                content.iter_mut().skip(at).take(1).for_each(|it| *it ^= 4);
            };
            rig.reopen(false, |folder| harm_segment(folder, segment, flip))
                .await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// In a store that loses nothing every line comes, in order, and after a kill only those at
    /// hand come again.
    #[test]
    fn nothing_is_lost(steps in steps(false)) {
        run(async {
            let mut rig = Rig::new("model", 1 << 30);
            rig.may_lose = false;
            for step in steps {
                let (at_hand, before) = (rig.at_hand.len() as u64, rig.maybe_twice);
                let is_kill = matches!(step, Step::Kill);
                let is_stop = matches!(step, Step::Stop);
                take(&mut rig, step).await;
                if is_kill && at_hand > 0 {
                    assert_eq!(rig.maybe_twice, at_hand);
                } else if is_kill {
                    assert!(rig.maybe_twice <= before, "those of the kill before");
                } else if is_stop {
                    assert_eq!(rig.maybe_twice, 0);
                }
            }
            rig.drain().await;
            assert_eq!(rig.next, rig.appended);
            assert_eq!(rig.full + rig.corrupt + rig.failed, 0);
            rig.end().await;
        });
    }

    /// Whatever happens to the files, no line comes that was not written, none out of order, and
    /// each that does not come is counted.
    #[test]
    fn what_is_lost_is_counted(steps in steps(true)) {
        run(async {
            let mut rig = Rig::new("harm", ROOM_BYTES);
            for step in steps {
                take(&mut rig, step).await;
            }
            rig.end().await;
        });
    }
}
