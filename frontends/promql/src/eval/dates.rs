//! Parts of dates, in UTC.

use crate::function::Date;

/// A part of the date of a time in seconds; NaN if that is no date of the years -9999 to 9999.
#[expect(
    clippy::cast_possible_truncation,
    reason = "what does not fit is no date either"
)]
pub(super) fn part(date: Date, seconds: f64) -> f64 {
    if seconds.is_nan() {
        return f64::NAN;
    }
    let Ok(time) = jiff::Timestamp::from_second(seconds as i64) else {
        return f64::NAN;
    };
    let time = time.to_zoned(jiff::tz::TimeZone::UTC);
    match date {
        Date::Minute => time.minute().into(),
        Date::Hour => time.hour().into(),
        Date::DayOfMonth => time.day().into(),
        Date::DayOfWeek => time.weekday().to_sunday_zero_offset().into(),
        Date::DayOfYear => time.day_of_year().into(),
        Date::DaysInMonth => time.days_in_month().into(),
        Date::Month => time.month().into(),
        Date::Year => time.year().into(),
    }
}
