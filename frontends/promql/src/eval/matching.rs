//! Which series of an operator's two sides belong together.

use crate::expr::{Binary, Matching};
use crate::frame::{Row, is_absent};
use crate::labels::Labels;
use std::collections::HashMap;

/// The labels that have to be equal.
pub(super) fn signature(labels: &Labels, binary: &Binary) -> Labels {
    match &binary.matching {
        Some(Matching::On(names)) => labels.only(names),
        Some(Matching::Ignoring(names)) => labels.without(names),
        None => labels.without(&[]),
    }
}

/// The rows of a signature, on both sides.
#[derive(Debug, Default)]
pub(super) struct Pairing {
    pub(super) left: Vec<usize>,
    pub(super) right: Vec<usize>,
}

/// Rows by signature, in the order in which signatures come up.
pub(super) fn pairings(left: &[Row], right: &[Row], binary: &Binary) -> Vec<(Labels, Pairing)> {
    let mut places = HashMap::new();
    let mut pairings: Vec<(Labels, Pairing)> = Vec::new();
    for (is_left, rows) in [(true, left), (false, right)] {
        for (index, row) in rows.iter().enumerate() {
            let signature = signature(&row.labels, binary);
            let place = *places.entry(signature.clone()).or_insert(pairings.len());
            if place == pairings.len() {
                pairings.push((signature, Pairing::default()));
            }
            let pairing = &mut pairings[place].1;
            (if is_left {
                &mut pairing.left
            } else {
                &mut pairing.right
            })
            .push(index);
        }
    }
    pairings
}

/// At which steps any of the rows has a value.
pub(super) fn any_at(rows: &[&Row], count: usize) -> Vec<bool> {
    let mut any = vec![false; count];
    for row in rows {
        for (any, value) in any.iter_mut().zip(&row.values) {
            *any |= !is_absent(*value);
        }
    }
    any
}
