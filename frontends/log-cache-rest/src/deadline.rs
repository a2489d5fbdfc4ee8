//! The request header `Grpc-Timeout`, as grpc-gateway reads it.

use crate::failure::Failure;
use hyper::HeaderMap;
use std::time::Duration;

/// How long the client waits; nothing: as long as it takes. What is past is no time at all.
pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Duration>, Failure> {
    let Some(value) = headers.get("grpc-timeout").filter(|it| !it.is_empty()) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let timeout = parse(text);
    let invalid = || Failure::invalid(format!("invalid grpc-timeout: {text}"));
    let timeout = timeout.ok_or_else(invalid)?;
    Ok(Some(timeout).filter(|timeout| !timeout.is_zero() || text.starts_with('-')))
}

/// Digits and a unit.
fn parse(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let number: i64 = text[..text.len() - unit.len_utf8()].parse().ok()?;
    let number = u64::try_from(number).unwrap_or(0);
    Some(match unit {
        'H' => Duration::from_secs(number.saturating_mul(3600)),
        'M' => Duration::from_secs(number.saturating_mul(60)),
        'S' => Duration::from_secs(number),
        'm' => Duration::from_millis(number),
        'u' => Duration::from_micros(number),
        'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn timeouts_are_numbers_with_units() {
        let read = |text: &'static str| {
            let value = HeaderValue::from_static(text);
            of(&HeaderMap::from_iter([(
                "grpc-timeout".parse().unwrap(),
                value,
            )]))
        };
        let seconds = |seconds| Ok(Some(Duration::from_secs(seconds)));
        assert_eq!(read("5S"), seconds(5));
        assert_eq!(read("2M"), seconds(120));
        assert_eq!(read("1H"), seconds(3600));
        assert_eq!(read("1500m"), Ok(Some(Duration::from_millis(1500))));
        assert_eq!(read("7u"), Ok(Some(Duration::from_micros(7))));
        assert_eq!(read("7n"), Ok(Some(Duration::from_nanos(7))));
        assert_eq!(read("-1S"), seconds(0));
        assert_eq!((read("0S"), read("")), (Ok(None), Ok(None)));
        for wrong in ["5", "S", "5s", "x", "5.5S"] {
            let message = format!("invalid grpc-timeout: {wrong}");
            assert_eq!(read(wrong), Err(Failure::invalid(message)));
        }
    }
}
