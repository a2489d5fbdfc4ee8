//! The TIMESTAMP field (RFC 5424 §6.2.3): UTC, microseconds, `+00:00`.
//!
//! The calendar is worked out here, in integers: a line needs one date and no time zone.

const NANOS_A_SECOND: i64 = 1_000_000_000;
const NANOS_A_MICRO: i64 = 1_000;
const SECONDS_A_DAY: i64 = 86_400;
/// The calendar counts from here: before every time that 64 bits of nanoseconds can name (1677 to
/// 2262), and the first day of a 400-year cycle of years that begin in March and end in leap days.
const EPOCH_YEAR: u32 = 1600;
/// Days from 1600-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 135_080;
const DAYS_IN_4_YEARS: u32 = 1_461;
const DAYS_IN_400_YEARS: u32 = 146_097;
/// `00` to `99`.
const TWO_DIGITS: [[u8; 2]; 100] = two_digits();

/// Appends `unix_ns`, nanoseconds since 1970 and negative before, in this form:
/// `2006-01-02T15:04:05.123456+00:00`.
///
/// The fraction is cut to whole microseconds, never rounded up; its trailing zeros are left out,
/// and a fraction of zero leaves out the point too.
pub(super) fn write(unix_ns: i64, out: &mut Vec<u8>) {
    let seconds = unix_ns.div_euclid(NANOS_A_SECOND);
    let micros = unix_ns.rem_euclid(NANOS_A_SECOND) / NANOS_A_MICRO;
    write_date(
        within_u32(seconds.div_euclid(SECONDS_A_DAY) + EPOCH_DAYS),
        out,
    );
    write_time(within_u32(seconds.rem_euclid(SECONDS_A_DAY)), out);
    write_fraction(within_u32(micros), out);
    out.extend_from_slice(b"+00:00");
}

/// Each unit is the quotient by its mean length, scaled so that all terms are whole: a century has
/// 146097/4 days, a year within it 1461/4, and the months from March on have 153/5.
fn write_date(days: u32, out: &mut Vec<u8>) {
    let century = (4 * days + 3) / DAYS_IN_400_YEARS;
    let day_of_century = days - century * DAYS_IN_400_YEARS / 4;
    let year_of_century = (4 * day_of_century + 3) / DAYS_IN_4_YEARS;
    let day_of_year = day_of_century - year_of_century * DAYS_IN_4_YEARS / 4;
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;

    let is_next_year = month_from_march >= 10;
    let month = if is_next_year {
        month_from_march - 9
    } else {
        month_from_march + 3
    };
    let year = EPOCH_YEAR + 100 * century + year_of_century + u32::from(is_next_year);
    let [century, year, month, day] = [year / 100, year % 100, month, day].map(digits);
    out.extend_from_slice(&[
        century[0], century[1], year[0], year[1], b'-', month[0], month[1], b'-', day[0], day[1],
    ]);
}

fn write_time(second_of_day: u32, out: &mut Vec<u8>) {
    let minute_of_day = second_of_day / 60;
    let [hour, minute, second] =
        [minute_of_day / 60, minute_of_day % 60, second_of_day % 60].map(digits);
    out.extend_from_slice(&[
        b'T', hour[0], hour[1], b':', minute[0], minute[1], b':', second[0], second[1],
    ]);
}

fn write_fraction(micros: u32, out: &mut Vec<u8>) {
    if micros == 0 {
        return;
    }
    let [a, b, c] = [micros / 10_000, micros / 100 % 100, micros % 100].map(digits);
    let text = [b'.', a[0], a[1], b[0], b[1], c[0], c[1]];
    let zero_count = text
        .iter()
        .rev()
        .take_while(|digit| **digit == b'0')
        .count();
    out.extend_from_slice(&text[..text.len() - zero_count]);
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of days, seconds and micros, all of which are between 0 and 10^6"
)]
const fn within_u32(count: i64) -> u32 {
    count as u32
}

/// Two digits of `number`, which must be less than 100.
fn digits(number: u32) -> [u8; 2] {
    TWO_DIGITS[number as usize]
}

const fn two_digits() -> [[u8; 2]; 100] {
    let mut all = [[0; 2]; 100];
    let mut number = 0_u8;
    while number < 100 {
        all[number as usize] = [b'0' + number / 10, b'0' + number % 10];
        number += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    fn text(unix_ns: i64) -> String {
        let mut out = Vec::new();
        write(unix_ns, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// The same field from jiff's calendar and the standard library's digits.
    fn oracle(unix_ns: i64) -> String {
        let at = Timestamp::from_nanosecond(i128::from(unix_ns))
            .unwrap()
            .to_zoned(TimeZone::UTC);
        let micros = i32::from(at.millisecond()) * 1000 + i32::from(at.microsecond());
        let fraction = format!(".{micros:06}");
        let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
        let (year, month, day) = (at.year(), at.month(), at.day());
        let (hour, minute, second) = (at.hour(), at.minute(), at.second());
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}+00:00")
    }

    #[test]
    fn fractions_are_cut_to_micros_and_lose_their_zeros() {
        assert_eq!(
            text(1_700_000_000_123_456_789),
            "2023-11-14T22:13:20.123456+00:00"
        );
        assert_eq!(
            text(1_700_000_000_120_000_000),
            "2023-11-14T22:13:20.12+00:00"
        );
        assert_eq!(
            text(1_700_000_000_000_001_000),
            "2023-11-14T22:13:20.000001+00:00"
        );
        assert_eq!(text(1_700_000_000_000_000_999), "2023-11-14T22:13:20+00:00");
        assert_eq!(
            text(1_700_000_000_999_999_999),
            "2023-11-14T22:13:20.999999+00:00"
        );
        assert_eq!(text(1_700_000_000_000_000_000), "2023-11-14T22:13:20+00:00");
        assert_eq!(text(0), "1970-01-01T00:00:00+00:00");
    }

    #[test]
    fn times_before_1970_count_backwards() {
        assert_eq!(text(-1), "1969-12-31T23:59:59.999999+00:00");
        assert_eq!(text(-1_000_000_000), "1969-12-31T23:59:59+00:00");
        assert_eq!(text(i64::MIN), "1677-09-21T00:12:43.145224+00:00");
        assert_eq!(text(i64::MAX), "2262-04-11T23:47:16.854775+00:00");
    }

    #[test]
    fn every_day_that_nanoseconds_reach_agrees_with_jiff() {
        let nanos_a_day = SECONDS_A_DAY * NANOS_A_SECOND;
        for day in i64::MIN / nanos_a_day..=i64::MAX / nanos_a_day {
            let unix_ns = day * nanos_a_day;
            assert_eq!(text(unix_ns), oracle(unix_ns));
        }
    }

    proptest! {
        #[test]
        fn every_time_agrees_with_jiff(unix_ns: i64, seconds in -4_000_000_000..4_000_000_000_i64) {
            prop_assert_eq!(text(unix_ns), oracle(unix_ns));
            let whole_second = seconds * NANOS_A_SECOND;
            prop_assert_eq!(text(whole_second), oracle(whole_second));
        }
    }
}
