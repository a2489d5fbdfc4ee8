//! `multipart/x-protobuf`, in which recent logs come: parts mostly without headers, a boundary
//! mostly without quotes.

/// What an answer holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'b> {
    pub(super) parts: Vec<&'b [u8]>,
    /// Whether the end was there.
    pub(super) is_whole: bool,
}

/// The boundary that a `Content-Type` names.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let (_, rest) = content_type.split_once("boundary=")?;
    let boundary = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split(';').next().map(str::trim),
    };
    boundary.filter(|boundary| !boundary.is_empty())
}

/// The parts of a body, without their headers.
pub(super) fn parts<'b>(body: &'b [u8], boundary: &str) -> Parts<'b> {
    let opening = format!("--{boundary}");
    let delimiter = format!("\r\n{opening}");
    let mut parts = Vec::new();
    let mut rest = match body.strip_prefix(opening.as_bytes()) {
        Some(rest) => Some(rest),
        None => cut(body, delimiter.as_bytes()).map(|(_, rest)| rest),
    };
    while let Some(after) = rest {
        if after.starts_with(b"--") {
            return Parts {
                parts,
                is_whole: true,
            };
        }
        let Some((part, next)) = cut(after, delimiter.as_bytes()) else {
            break;
        };
        parts.extend(payload(part));
        rest = Some(next);
    }
    Parts {
        parts,
        is_whole: false,
    }
}

/// What comes after a part's headers: after the first empty line, and the first line is what is
/// left of the delimiter's.
fn payload(part: &[u8]) -> Option<&[u8]> {
    cut(part, b"\r\n\r\n").map(|(_, payload)| payload)
}

fn cut<'b>(bytes: &'b [u8], at: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let start = bytes.windows(at.len()).position(|window| window == at)?;
    Some((&bytes[..start], &bytes[start + at.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_stand_last_and_bare_or_quoted() {
        for text in [
            "multipart/x-protobuf; boundary=abc",
            "multipart/x-protobuf; boundary=\"abc\"; charset=x",
            "multipart/x-protobuf;boundary=abc ; charset=x",
        ] {
            assert_eq!(boundary(text), Some("abc"), "{text}");
        }
        for text in [
            "multipart/x-protobuf",
            "multipart/x-protobuf; boundary=",
            "text/plain",
        ] {
            assert_eq!(boundary(text), None, "{text}");
        }
    }

    #[test]
    fn parts_are_bytes_even_with_line_feeds_in_them() {
        let body = b"--B\r\n\r\none\r\n\r\nmore\r\n--B\r\nContent-Type: x\r\n\r\n\r\n\
                     --B\r\n\r\n\n\r\n--B--\r\n";
        let found = parts(body, "B");
        assert_eq!(found.parts, [&b"one\r\n\r\nmore"[..], b"", b"\n"]);
        assert!(found.is_whole);
    }

    #[test]
    fn no_parts_are_written_in_two_ways() {
        for body in [&b"--B--\r\n"[..], b"\r\n--B--\r\n"] {
            let found = parts(body, "B");
            assert!(found.parts.is_empty() && found.is_whole, "{body:?}");
        }
    }

    #[test]
    fn an_answer_that_breaks_off_is_noticed() {
        for body in [
            &b""[..],
            b"--B\r\n\r\none",
            b"nonsense",
            b"--B",
            b"--B\r\n\r\none\r\n--B",
        ] {
            assert!(!parts(body, "B").is_whole, "{body:?}");
        }
        let found = parts(b"--B\r\n\r\none\r\n--B\r\n\r\ntw", "B");
        assert_eq!(found.parts, [b"one"]);
    }
}
