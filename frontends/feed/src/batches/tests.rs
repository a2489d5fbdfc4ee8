use super::*;
use hydrant_rpc::batch::elements;
use proptest::prelude::*;

/// The messages of a batch.
fn messages(batch: Batch) -> Vec<Vec<u8>> {
    let bytes = Bytes::from(batch);
    let (mut rest, mut messages) = (&bytes[..], Vec::new());
    while let [0, a, b, c, d, behind @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        messages.push(behind[..length].to_vec());
        rest = &behind[length..];
    }
    assert_eq!(rest, b"");
    messages
}

fn taken(batches: &mut Batches) -> Vec<Vec<u8>> {
    let mut taken = Vec::new();
    while let Some(batch) = batches.pop() {
        let (count, before) = (batch.envelopes(), taken.len());
        for message in messages(batch) {
            let envelopes: Vec<_> = elements(&message).collect();
            assert!((1..=MESSAGE_ENVELOPES_MAX as usize).contains(&envelopes.len()));
            taken.extend(envelopes.iter().map(|envelope| envelope.unwrap().to_vec()));
        }
        assert_eq!(taken.len() - before, count as usize);
    }
    taken
}

fn hundreds(bytes_max: usize) -> Batches {
    Batches::within(Budget::new(1 << 30), bytes_max, Packing::Hundred)
}

proptest! {
    #[test]
    fn what_waits_is_the_newest_in_order_and_within_bounds(
        sizes in proptest::collection::vec(0_usize..3000, 1..600),
        bytes_max in 0_usize..200_000,
    ) {
        let budget = Budget::new(150_000);
        let mut batches = Batches::within(budget.clone(), bytes_max, Packing::Hundred);
        let mut lost = 0;
        let envelope = |number: usize| {
            let mut envelope = vec![0; sizes[number] + 4];
            envelope[..4].copy_from_slice(&u32::try_from(number).unwrap().to_le_bytes());
            envelope
        };
        for number in 0..sizes.len() {
            lost += batches.push(&envelope(number));
            prop_assert!(batches.bytes() <= bytes_max);
            prop_assert_eq!(batches.bytes(), budget.bytes());
        }
        let taken = taken(&mut batches);
        prop_assert_eq!(taken.len() as u64 + lost, sizes.len() as u64);
        let numbers: Vec<_> = taken
            .iter()
            .map(|envelope| u32::from_le_bytes(envelope[..4].try_into().unwrap()))
            .collect();
        prop_assert!(numbers.is_sorted());
        prop_assert_eq!(budget.bytes(), 0);
    }
}

#[test]
fn a_message_ends_at_a_hundred_envelopes_and_a_batch_when_it_is_long() {
    let mut batches = hundreds(1 << 30);
    for _ in 0..1_000 {
        assert_eq!(batches.push(&[1; 100]), 0);
    }
    assert_eq!(taken(&mut batches).len(), 1_000);
    let large = vec![0; 60_000];
    for _ in 0..10 {
        assert_eq!(batches.push(&large), 0);
    }
    while let Some(batch) = batches.pop() {
        assert_eq!(batch.envelopes(), 1);
    }
}

#[test]
fn envelopes_lie_as_their_call_has_them() {
    for (packing, message) in [
        (Packing::Hundred, &b"\x0a\x03one\x0a\x05other"[..]),
        (Packing::One, b"\x0a\x03one"),
        (Packing::Plain, b"one"),
    ] {
        let mut batches = Batches::within(Budget::new(1 << 20), 1 << 20, packing);
        assert_eq!(batches.push(b"one") + batches.push(b"other"), 0);
        let batch = batches.pop().unwrap();
        assert_eq!(batch.envelopes(), 2);
        assert_eq!(messages(batch)[0], message);
    }
}

#[test]
fn what_waits_takes_little_more_memory_than_its_bytes() {
    for size in [20, 250, 2_000] {
        let mut batches = hundreds(1 << 30);
        for _ in 0..10_000 {
            assert_eq!(batches.push(&vec![1; size]), 0);
        }
        let bytes = 10_000 * size;
        assert!(batches.bytes() < bytes + bytes / 2, "{size}");
    }
}

#[test]
fn an_envelope_larger_than_all_is_the_one_lost() {
    let mut batches = hundreds(10_000);
    assert_eq!(batches.push(&[0; 100]), 0);
    assert_eq!(batches.push(&vec![0; 20_000]), 1);
    assert_eq!(taken(&mut batches), [[0; 100]]);
}

#[test]
fn what_is_thrown_away_is_said() {
    let budget = Budget::new(1 << 20);
    let mut batches = Batches::within(budget.clone(), 1 << 20, Packing::Hundred);
    let lost: u64 = (0..1_000).map(|_| batches.push(&[1; 50])).sum();
    assert_eq!(lost + batches.clear(), 1_000);
    assert_eq!((batches.bytes(), budget.bytes()), (0, 0));
    assert!(batches.is_empty());
}

/// Five that take nothing, and one that takes everything ten envelopes later.
#[test]
fn who_takes_nothing_costs_nobody_else_anything() {
    let budget = Budget::new(6_000_000);
    let outbox = |_| Batches::within(budget.clone(), 2_000_000, Packing::Hundred);
    let mut stalled: Vec<_> = (0..5).map(outbox).collect();
    let mut healthy = outbox(5);
    let mut lost = 0;
    for round in 0..50_000 {
        let outboxes = stalled.iter_mut();
        lost += outboxes.map(|outbox| outbox.push(&[1; 1000])).sum::<u64>();
        assert_eq!(healthy.push(&[1; 1000]), 0);
        assert!(budget.bytes() <= 6_000_000);
        if round % 10 == 0 {
            assert_eq!(healthy.clear(), if round == 0 { 1 } else { 10 });
        }
    }
    assert!(lost > 5 * 40_000);
}

/// Each fills its share while it is the newest; then nothing comes for it any more.
#[test]
fn who_comes_has_a_share_if_the_others_give_way() {
    let budget = Budget::new(4_000_000);
    let mut outboxes: Vec<Batches> = Vec::new();
    let mut lost = 0;
    for number in 0..20 {
        outboxes.push(Batches::within(budget.clone(), 4_000_000, Packing::Hundred));
        lost += outboxes.iter_mut().map(Batches::give_way).sum::<u64>();
        let newest = &mut outboxes[number];
        let first = newest.push(&[1; 1000]);
        assert_eq!(first, 0, "{number}");
        lost += (0..10_000).map(|_| newest.push(&[1; 1000])).sum::<u64>();
        assert!(budget.bytes() <= 4_000_000);
    }
    let waiting: u64 = outboxes.iter_mut().map(Batches::clear).sum();
    assert_eq!(waiting + lost, 20 * 10_001);
}

/// The payloads of a batch of frames.
fn payloads(batch: Batch) -> Vec<Vec<u8>> {
    let bytes = Bytes::from(batch);
    let (mut rest, mut payloads) = (&bytes[..], Vec::new());
    while let [0x82, length, behind @ ..] = rest {
        let (length, behind) = match (length, behind) {
            (126, [a, b, behind @ ..]) => (u16::from_be_bytes([*a, *b]).into(), behind),
            (127, [0, 0, 0, 0, a, b, c, d, behind @ ..]) => {
                let length = u32::from_be_bytes([*a, *b, *c, *d]);
                (length as usize, behind)
            }
            (length, behind) => (usize::from(*length), behind),
        };
        payloads.push(behind[..length].to_vec());
        rest = &behind[length..];
    }
    assert_eq!(rest, b"");
    payloads
}

#[test]
fn frames_lie_side_by_side_and_nothing_is_around_them() {
    let mut batches = Batches::within(Budget::new(1 << 21), 1 << 21, Packing::Frames);
    let sizes = [0, 1, 125, 126, 60_000, 65_535, 65_536, 1 << 20, 250];
    let expected: Vec<_> = (1_u8..)
        .zip(sizes.into_iter().cycle().take(27))
        .map(|(number, size)| vec![number; size])
        .collect();
    let lost: u64 = expected.iter().map(|message| batches.push(message)).sum();
    let mut given = Vec::new();
    while let Some(batch) = batches.pop() {
        let (envelopes, before) = (batch.envelopes(), given.len());
        given.extend(payloads(batch));
        assert_eq!(given.len() - before, envelopes as usize);
    }
    let kept = expected.len() - usize::try_from(lost).unwrap();
    assert!(kept > 9 && kept < expected.len(), "{kept}");
    assert_eq!(given, expected[expected.len() - kept..]);
}

#[test]
fn a_batch_of_twice_as_much_holds_two_frames() {
    let mut batches = Batches::within(Budget::new(1 << 20), 1 << 20, Packing::Frames);
    let mut counts = Vec::new();
    for (frames, bytes) in [(1, 16_000), (2, 16_001), (4, 16_002)] {
        let lost: u64 = (0..frames).map(|_| batches.push(&vec![0; bytes])).sum();
        let batch = batches.pop().unwrap();
        counts.push((lost, batch.envelopes(), batches.is_empty()));
    }
    assert_eq!(counts, [(0, 1, true), (0, 2, true), (0, 4, true)]);
}

#[test]
fn a_batch_is_ripe_with_a_whole_message_or_without_room() {
    let mut batches = Batches::within(Budget::new(1 << 20), 1 << 20, Packing::Hundred);
    assert!(!batches.is_ripe());
    for _ in 1..MESSAGE_ENVELOPES_MAX {
        assert_eq!(batches.push(b"12"), 0);
        assert!(!batches.is_ripe());
    }
    assert_eq!(batches.push(b"12"), 0);
    assert!(batches.is_ripe());
    assert_eq!(batches.clear(), u64::from(MESSAGE_ENVELOPES_MAX));
    assert_eq!(batches.push(&[0; 900]), 0);
    assert!(!batches.is_ripe());
    assert_eq!(batches.push(&[0; 900]), 0);
    assert!(batches.is_ripe(), "the second begins a batch");
}
