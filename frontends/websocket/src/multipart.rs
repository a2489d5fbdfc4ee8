//! Several messages in one HTTP answer, as noaa and the clients before it read them: the bytes that
//! Go's `mime/multipart` writes for parts without headers.

use bytes::Bytes;
use std::hash::{BuildHasher, RandomState};

/// An answer of several parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Multipart {
    /// The `Content-Type`. Clients take all that is behind `boundary=` as it stands, so the boundary
    /// comes last and has no quotes.
    pub(crate) content_type: String,
    /// The body.
    pub(crate) body: Bytes,
}

impl Multipart {
    /// The answer of these parts, perhaps of none.
    pub(crate) fn new(parts: &[Bytes]) -> Self {
        Self::with_boundary(&boundary(), parts)
    }

    fn with_boundary(boundary: &str, parts: &[Bytes]) -> Self {
        let around = boundary.len() + "\r\n--\r\n\r\n".len();
        let length: usize = parts.iter().map(|part| around + part.len()).sum();
        let mut body = Vec::with_capacity(length + around);
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(format!("--{boundary}\r\n\r\n").as_bytes());
            body.extend_from_slice(part);
        }
        // The same if there are no parts, though then the first line is empty.
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        Self {
            content_type: format!("multipart/x-protobuf; boundary={boundary}"),
            body: body.into(),
        }
    }
}

/// 60 random hexadecimal digits, as Go's: nobody who writes a log can know them before. Four hashes
/// by a key that the operating system drew, each without its last digit.
fn boundary() -> String {
    let random = RandomState::new();
    let digits = |word: u8| format!("{:015x}", random.hash_one(word) >> 4);
    (0..4).map(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(parts: &[&'static str]) -> Bytes {
        let parts: Vec<Bytes> = parts.iter().copied().map(Bytes::from).collect();
        Multipart::with_boundary("B", &parts).body
    }

    /// Compared with what Go 1.27's `multipart.Writer` writes and its `Reader` reads.
    #[test]
    fn bodies_are_those_of_go() {
        assert_eq!(body(&[]), "\r\n--B--\r\n");
        assert_eq!(body(&["one"]), "--B\r\n\r\none\r\n--B--\r\n");
        let two = "--B\r\n\r\none\r\n--B\r\n\r\n\r\n--B--\r\n";
        assert_eq!(body(&["one", ""]), two);
    }

    #[test]
    fn the_boundary_is_last_and_each_time_another() {
        let answers = [Multipart::new(&[]), Multipart::new(&[])];
        let boundaries = answers.map(|answer| {
            let start = "multipart/x-protobuf; boundary=";
            let boundary = answer.content_type.strip_prefix(start).unwrap().to_owned();
            assert_eq!(answer.body, format!("\r\n--{boundary}--\r\n"));
            boundary
        });
        for boundary in &boundaries {
            assert_eq!(boundary.len(), 60);
            let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            assert!(boundary.bytes().all(is_digit), "{boundary}");
        }
        assert_ne!(boundaries[0], boundaries[1]);
    }
}
