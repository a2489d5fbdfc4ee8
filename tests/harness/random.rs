//! Chance from a seed and from nothing else: what failed once fails again.

pub use fastrand::Rng;

/// True in `percent` of 100 cases.
pub fn chance(random: &mut Rng, percent: u32) -> bool {
    random.u32(0..100) < percent
}

/// One of these.
///
/// # Panics
/// If there is none.
pub fn pick<'t, T>(random: &mut Rng, from: &'t [T]) -> &'t T {
    &from[random.usize(0..from.len())]
}
