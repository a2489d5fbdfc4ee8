//! TIMESTAMP: RFC 3339 with at most six digits of a second's fraction.

use super::ParseError;
use super::cursor::Cursor;
use jiff::civil::{Date, DateTime, Time};

const FRACTION_DIGITS_MAX: usize = 6;
/// Of a second.
const NANOS_DIGITS: usize = 9;
const NANOS_PER_SECOND: i128 = 1_000_000_000;
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
const HOURS_MAX: i16 = 23;
const SIXTIETHS_MAX: i16 = 59;

/// Nanoseconds since 1970; nothing if it is nil.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Option<i128>, ParseError> {
    if cursor.skip(b'-') {
        return Ok(None);
    }
    let none = cursor.expected("a time that there is");
    let date = date(cursor)?;
    cursor.expect(b'T', "`T` after the date")?;
    let (hour, minute) = hour_and_minute(cursor)?;
    cursor.expect(b':', "`:` after the minute")?;
    let second = at_most(SIXTIETHS_MAX, cursor, "the second")?;
    let nanos = fraction(cursor)?;
    let offset = offset(cursor)?;
    let nanos = || -> Option<i128> {
        let (year, month, day) = date;
        let date = Date::new(year, small(month)?, small(day)?).ok()?;
        let time = Time::new(small(hour)?, small(minute)?, small(second)?, nanos).ok()?;
        let local = DateTime::from_parts(date, time).duration_since(EPOCH);
        Some(local.as_nanos() - i128::from(offset) * NANOS_PER_SECOND)
    };
    nanos().map(Some).ok_or(none)
}

fn date(cursor: &mut Cursor<'_>) -> Result<(i16, i16, i16), ParseError> {
    let year = cursor.number(4, "the year")?;
    cursor.expect(b'-', "`-` after the year")?;
    let month = cursor.number(2, "the month")?;
    cursor.expect(b'-', "`-` after the month")?;
    Ok((year, month, cursor.number(2, "the day")?))
}

fn hour_and_minute(cursor: &mut Cursor<'_>) -> Result<(i16, i16), ParseError> {
    let hour = at_most(HOURS_MAX, cursor, "the hour")?;
    cursor.expect(b':', "`:` after the hour")?;
    Ok((hour, at_most(SIXTIETHS_MAX, cursor, "the minute")?))
}

fn at_most(most: i16, cursor: &mut Cursor<'_>, expected: &'static str) -> Result<i16, ParseError> {
    let none = cursor.expected(expected);
    let number = cursor.number(2, expected)?;
    (number <= most).then_some(number).ok_or(none)
}

/// In nanoseconds.
fn fraction(cursor: &mut Cursor<'_>) -> Result<i32, ParseError> {
    if !cursor.skip(b'.') {
        return Ok(0);
    }
    let none = cursor.expected("one to six digits of a second");
    let digits = cursor.digits();
    if !(1..=FRACTION_DIGITS_MAX).contains(&digits.len()) {
        return Err(none);
    }
    let zeros = [b'0'; NANOS_DIGITS];
    let digits = digits.iter().chain(&zeros).take(NANOS_DIGITS);
    Ok(digits.fold(0, |nanos, digit| nanos * 10 + i32::from(digit - b'0')))
}

/// East of Greenwich, in seconds.
fn offset(cursor: &mut Cursor<'_>) -> Result<i32, ParseError> {
    if cursor.skip(b'Z') {
        return Ok(0);
    }
    let is_west = cursor.skip(b'-');
    if !is_west {
        cursor.expect(b'+', "an offset from UTC")?;
    }
    let (hours, minutes) = hour_and_minute(cursor)?;
    let seconds = (i32::from(hours) * 60 + i32::from(minutes)) * 60;
    Ok(if is_west { -seconds } else { seconds })
}

fn small(number: i16) -> Option<i8> {
    i8::try_from(number).ok()
}
