//! Where one line ends and the next begins (RFC 6587 §3.4).

use hydrant_bindings::Framing;

/// What stands for a line feed where it would end the line: its code as rsyslog writes it.
const ESCAPED_LINE_FEED: &[u8] = b"#012";

/// Bytes of the first line with all that frames it; 0 if there is no whole one.
pub(crate) fn first_frame_bytes(lines: &[u8], framing: Framing) -> usize {
    let end = match framing {
        Framing::OctetCounting => counted(lines).map(|(count_bytes, octets)| count_bytes + octets),
        Framing::NonTransparent => lines
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|at| at + 1),
    };
    end.filter(|end| *end <= lines.len()).unwrap_or_default()
}

/// How many whole lines are in these bytes, and how many bytes those are.
pub(crate) fn whole_lines(bytes: &[u8], framing: Framing) -> (u64, usize) {
    let (mut count, mut end) = (0, 0);
    loop {
        match first_frame_bytes(&bytes[end..], framing) {
            0 => return (count, end),
            frame_bytes => {
                count += 1;
                end += frame_bytes;
            }
        }
    }
}

/// A line without the octet count that is in front of it.
pub(crate) fn without_count(frame: &[u8]) -> &[u8] {
    let count_bytes = counted(frame).map_or(0, |(count_bytes, _)| count_bytes);
    &frame[count_bytes..]
}

/// Rewrites the counted lines from `start` on: without counts, and without line feeds within.
pub(super) fn make_non_transparent(start: usize, out: &mut Vec<u8>) {
    let counted = out.split_off(start);
    let mut rest = &counted[..];
    loop {
        let frame_bytes = first_frame_bytes(rest, Framing::OctetCounting);
        let (frame, after) = rest.split_at(frame_bytes);
        let Some((last, line)) = without_count(frame).split_last() else {
            return;
        };
        for byte in line {
            match byte {
                b'\n' => out.extend_from_slice(ESCAPED_LINE_FEED),
                other => out.push(*other),
            }
        }
        out.push(*last);
        rest = after;
    }
}

/// Bytes of the octet count with its space, and the count; nothing if there is no whole count.
fn counted(lines: &[u8]) -> Option<(usize, usize)> {
    let digit_count = lines.iter().position(|byte| !byte.is_ascii_digit())?;
    let digits = lines[..digit_count].iter();
    let octets = digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
    Some((digit_count + 1, octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_or_not_counted() {
        let counted = b"3 ab\n10 123456789\n2 c";
        assert_eq!(whole_lines(counted, Framing::OctetCounting), (2, 18));
        assert_eq!(whole_lines(&counted[..17], Framing::OctetCounting), (1, 5));
        for end in 0..5 {
            assert_eq!(whole_lines(&counted[..end], Framing::OctetCounting), (0, 0));
        }
        assert_eq!(whole_lines(b"ab\n\nc", Framing::NonTransparent), (2, 4));
        assert_eq!(without_count(b"3 ab\n"), b"ab\n");
    }

    #[test]
    fn only_the_last_line_feed_of_a_line_stays() {
        let mut out = b"before".to_vec();
        out.extend_from_slice(b"3 ab\n6 a\nb\n\n\n");
        make_non_transparent(6, &mut out);
        assert_eq!(out, b"beforeab\na#012b#012#012\n");
    }
}
