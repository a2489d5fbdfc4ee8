//! The token that a request brings.

use crate::routes::value;
use hyper::header::{self, HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;

/// Since dropsonde: the `Authorization` header, or else the cookie of that name, which is escaped
/// as a query is. A cookie that is not, or that no header could hold, is none.
pub(crate) fn today(headers: &HeaderMap) -> Option<HeaderValue> {
    of_header(headers).or_else(|| of_cookie(headers))
}

/// In the first generation: the header, or else the query.
pub(crate) fn first_generation(headers: &HeaderMap, query: Option<&str>) -> Option<HeaderValue> {
    let of_query = || usable(value(query?, "authorization")?.as_bytes());
    of_header(headers).or_else(of_query)
}

/// A path and query as they may be shown: without the token that the first generation has there.
pub(crate) fn redacted(path_and_query: &str) -> String {
    let Some((path, query)) = path_and_query.split_once('?') else {
        return path_and_query.to_owned();
    };
    let shown = |pair: &str| {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        let name = unescaped(name).unwrap_or_default();
        match name.eq_ignore_ascii_case(b"authorization") {
            true => "authorization=[redacted]".to_owned(),
            false => pair.to_owned(),
        }
    };
    let pairs: Vec<_> = query.split('&').map(shown).collect();
    format!("{path}?{}", pairs.join("&"))
}

fn of_header(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get(header::AUTHORIZATION)?;
    (!value.is_empty()).then(|| value.clone())
}

fn of_cookie(headers: &HeaderMap) -> Option<HeaderValue> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let cookies = cookies.filter_map(|line| line.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';'));
    let value = pairs.find_map(|pair| pair.trim().strip_prefix("authorization="))?;
    let quoted = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    usable(&unescaped(quoted.unwrap_or(value))?)
}

/// As Go's `url.QueryUnescape`: a percent sign without two digits makes it invalid.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(is_escape) {
        return None;
    }
    Some(percent_decode_str(&text.replace('+', " ")).collect())
}

fn usable(token: &[u8]) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(token).ok()?;
    value.set_sensitive(true);
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn read(lines: &[(&'static str, &'static str)]) -> Option<HeaderValue> {
        today(&headers(lines))
    }

    #[test]
    fn the_header_comes_before_the_cookie() {
        let cookie = ("cookie", "a=b; authorization=bearer+x%2Fy; c=d");
        assert_eq!(read(&[cookie]).unwrap(), "bearer x/y");
        assert_eq!(read(&[cookie, ("authorization", "Z")]).unwrap(), "Z");
        assert_eq!(
            read(&[cookie, ("authorization", "")]).unwrap(),
            "bearer x/y"
        );
        assert_eq!(read(&[("cookie", "x=1"), cookie]).unwrap(), "bearer x/y");
        assert_eq!(read(&[("cookie", "authorization=\"q\"")]).unwrap(), "q");
    }

    #[test]
    fn what_cannot_be_a_token_is_none() {
        for cookie in [
            "Authorization=x",
            "authorization=",
            "authorization=%zz",
            "authorization=a%2",
            "authorization=a%0Ab",
            "xauthorization=a",
        ] {
            assert_eq!(read(&[("cookie", cookie)]), None, "{cookie}");
        }
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn no_token_is_shown() {
        for (path, shown) in [
            ("/tail/", "/tail/"),
            ("/firehose/x?", "/firehose/x?"),
            (
                "/tail/?app=a&authorization=bearer%20x",
                "/tail/?app=a&authorization=[redacted]",
            ),
            ("/?%61uthorization=x&b", "/?authorization=[redacted]&b"),
        ] {
            assert_eq!(redacted(path), shown);
        }
    }

    #[test]
    fn the_first_generation_takes_it_from_the_query() {
        let query = Some("app=a&authorization=bearer%20x");
        assert_eq!(first_generation(&headers(&[]), query).unwrap(), "bearer x");
        let given = headers(&[("authorization", "Z"), ("cookie", "authorization=c")]);
        assert_eq!(first_generation(&given, query).unwrap(), "Z");
        let cookie = headers(&[("cookie", "authorization=c")]);
        assert_eq!(first_generation(&cookie, Some("app=a")), None);
        assert_eq!(first_generation(&headers(&[]), None), None);
    }
}
