//! Messages of every kind, and odd ones, from `cases.txt`.

/// What is sent over one connection.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// The source of what it becomes.
    pub(super) source_id: &'static str,
    /// With its framing.
    pub(super) bytes: Vec<u8>,
    /// Upstream's server ends of it.
    pub(super) kills_upstream: bool,
}

pub(super) fn cases() -> Vec<Case> {
    let lines = include_str!("cases.txt").lines();
    lines.filter_map(case).collect()
}

fn case(line: &'static str) -> Option<Case> {
    let (name, rest) = line.split_once('\t')?;
    let (source_id, bytes) = rest.split_once('\t')?;
    let kills_upstream = name.starts_with('!');
    Some(Case {
        name: name.trim_start_matches('!'),
        source_id,
        bytes: unescaped(bytes),
        kills_upstream,
    })
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut pieces = text.split('\\');
    bytes.extend(pieces.next().unwrap_or_default().bytes());
    while let Some(piece) = pieces.next() {
        let mut rest = piece;
        match piece.chars().next() {
            // A backslash was doubled: what comes next is not escaped.
            None => {
                bytes.push(b'\\');
                rest = pieces.next().unwrap_or_default();
            }
            Some('n') => bytes.push(b'\n'),
            Some('r') => bytes.push(b'\r'),
            Some('t') => bytes.push(b'\t'),
            Some('x') => bytes.push(u8::from_str_radix(&piece[1..3], 16).unwrap()),
            Some('{') => {
                let (run, _) = piece[1..].split_once('}').unwrap();
                let (byte, count) = run.split_once('*').unwrap();
                let byte = u8::from_str_radix(byte, 16).unwrap();
                bytes.resize(bytes.len() + count.parse::<usize>().unwrap(), byte);
            }
            Some(other) => panic!("an escape of {other}"),
        }
        let skipped = match piece.chars().next() {
            None => 0,
            Some('x') => 3,
            Some('{') => piece.find('}').unwrap() + 1,
            Some(_) => 1,
        };
        bytes.extend(rest[skipped..].bytes());
    }
    bytes
}
