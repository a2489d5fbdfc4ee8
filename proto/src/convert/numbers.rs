//! How numbers are read out of v2's texts and doubles on their way to v1.

/// The number that the text is, in decimal, or 0.
pub fn number(text: &str) -> i64 {
    text.parse().unwrap_or_default()
}

/// The index of an instance that the text is, in decimal, or 0.
pub fn index(text: &str) -> i32 {
    text.parse().unwrap_or_default()
}

/// The low 32 bits, as upstream keeps them of codes and states.
#[expect(
    clippy::cast_possible_truncation,
    reason = "upstream keeps the low 32 bits"
)]
pub const fn wrapped(number: i64) -> i32 {
    number as i32
}

/// The value without its fraction, kept within the type's range; 0 for NaN.
#[expect(clippy::cast_possible_truncation, reason = "promised to saturate")]
pub const fn whole(value: f64) -> i32 {
    value as i32
}

/// The value without its fraction, kept within the type's range; 0 for NaN.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "promised to saturate"
)]
pub const fn byte_count(value: f64) -> u64 {
    value as u64
}
