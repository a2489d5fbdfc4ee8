//! RFC 5424's grammar, read strictly, as judge over what `Format` writes. It shares no code with
//! the writer. It allows what upstream does against the grammar, and no more: the PRI `-1`, and
//! SD-NAMEs of any length.

use jiff::Timestamp;

/// One line, its values unescaped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) priority: i32,
    pub(super) timestamp: Timestamp,
    pub(super) hostname: String,
    pub(super) app_name: String,
    pub(super) proc_id: String,
    pub(super) elements: Vec<Element>,
    pub(super) msg: Vec<u8>,
}

/// SD-ID, then names and values.
pub(super) type Element = (String, Vec<(String, String)>);

/// Every line of `bytes`, which must be `LEN SP MSG` over and over, to the end.
pub(super) fn lines(bytes: &[u8]) -> Result<Vec<Line>, String> {
    let mut rest = Cursor(bytes);
    let mut lines = Vec::new();
    while !rest.0.is_empty() {
        let length = rest.until(b' ')?;
        if length.starts_with('0') {
            return Err(format!("count {length:?}"));
        }
        let length = length
            .parse()
            .map_err(|error| format!("count {length:?}: {error}"))?;
        lines.push(line(rest.take(length)?)?);
    }
    Ok(lines)
}

fn line(bytes: &[u8]) -> Result<Line, String> {
    let mut rest = Cursor(bytes);
    rest.expect(b"<")?;
    let priority = priority(&rest.until(b'>')?)?;
    rest.expect(b"1 ")?;
    let timestamp = timestamp(&rest.until(b' ')?)?;
    let hostname = rest.name(255)?;
    let app_name = rest.name(48)?;
    let proc_id = rest.name(128)?;
    if rest.name(32)? != "-" {
        return Err("MSGID".into());
    }
    let elements = elements(&mut rest)?;
    rest.expect(b" ")?;
    if !rest.0.ends_with(b"\n") {
        return Err("no line feed at the end".into());
    }
    let msg = rest.0.to_vec();
    Ok(Line {
        priority,
        timestamp,
        hostname,
        app_name,
        proc_id,
        elements,
        msg,
    })
}

fn priority(text: &str) -> Result<i32, String> {
    let priority: i32 = text
        .parse()
        .map_err(|error| format!("PRI {text:?}: {error}"))?;
    let is_canonical = priority.to_string() == text;
    if is_canonical && (-1..=191).contains(&priority) {
        Ok(priority)
    } else {
        Err(format!("PRI {text:?}"))
    }
}

fn timestamp(text: &str) -> Result<Timestamp, String> {
    let shape: String = text
        .chars()
        .map(|char| if char.is_ascii_digit() { '0' } else { char })
        .collect();
    let fraction = shape
        .strip_prefix("0000-00-00T00:00:00")
        .and_then(|rest| rest.strip_suffix("+00:00"))
        .ok_or_else(|| format!("TIMESTAMP {text:?}"))?;
    if !["", ".0", ".00", ".000", ".0000", ".00000", ".000000"].contains(&fraction) {
        return Err(format!("TIME-SECFRAC {text:?}"));
    }
    text.parse()
        .map_err(|error| format!("TIMESTAMP {text:?}: {error}"))
}

fn elements(rest: &mut Cursor<'_>) -> Result<Vec<Element>, String> {
    let mut elements = Vec::new();
    if rest.accept(b'-') {
        return Ok(elements);
    }
    rest.expect(b"[")?;
    loop {
        elements.push(element(rest)?);
        if !rest.accept(b'[') {
            return Ok(elements);
        }
    }
}

fn element(rest: &mut Cursor<'_>) -> Result<Element, String> {
    let id = rest.sd_name()?;
    let mut params = Vec::new();
    while rest.accept(b' ') {
        let name = rest.sd_name()?;
        rest.expect(b"=\"")?;
        params.push((name, value(rest)?));
    }
    rest.expect(b"]")?;
    Ok((id, params))
}

fn value(rest: &mut Cursor<'_>) -> Result<String, String> {
    let mut value = Vec::new();
    loop {
        match rest.byte()? {
            b'"' => return String::from_utf8(value).map_err(|error| error.to_string()),
            b']' => return Err("`]` without a backslash".into()),
            b'\\' => match rest.byte()? {
                byte @ (b'"' | b'\\' | b']') => value.push(byte),
                byte => return Err(format!("needless backslash before {byte:#x}")),
            },
            byte => value.push(byte),
        }
    }
}

struct Cursor<'b>(&'b [u8]);

impl<'b> Cursor<'b> {
    fn take(&mut self, length: usize) -> Result<&'b [u8], String> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(|| format!("{length} octets asked, {} left", self.0.len()))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn accept(&mut self, byte: u8) -> bool {
        let is_next = self.0.first() == Some(&byte);
        if is_next {
            self.0 = &self.0[1..];
        }
        is_next
    }

    fn expect(&mut self, bytes: &[u8]) -> Result<(), String> {
        let taken = self.take(bytes.len())?;
        if taken == bytes {
            Ok(())
        } else {
            Err(format!("{taken:?} instead of {bytes:?}"))
        }
    }

    /// The text before the next `end`, which is passed over.
    fn until(&mut self, end: u8) -> Result<String, String> {
        let length = self.0.iter().position(|byte| *byte == end);
        let text = self.take(length.ok_or_else(|| format!("no {end:#x}"))?)?;
        self.expect(&[end])?;
        String::from_utf8(text.to_vec()).map_err(|error| error.to_string())
    }

    /// A header field and the space after it.
    fn name(&mut self, bytes_max: usize) -> Result<String, String> {
        let name = self.until(b' ')?;
        let is_name = (1..=bytes_max).contains(&name.len())
            && name.chars().all(|char| ('!'..='~').contains(&char));
        if is_name {
            Ok(name)
        } else {
            Err(format!("field {name:?}"))
        }
    }

    fn sd_name(&mut self) -> Result<String, String> {
        let is_end = |byte: &u8| matches!(byte, b'=' | b' ' | b']' | b'"');
        let length = self.0.iter().position(is_end).ok_or("no end of a name")?;
        let name = self.take(length)?;
        if name.iter().all(|byte| (33..=126).contains(byte)) {
            String::from_utf8(name.to_vec()).map_err(|error| error.to_string())
        } else {
            Err(format!("SD-NAME {name:?}"))
        }
    }
}

#[test]
fn the_example_of_the_rfc_parses() {
    let text = "<165>1 2003-10-11T22:14:15.003+00:00 mymachine.example.com evntslog - - \
                [exampleSDID@32473 iut=\"3\" eventID=\"10\\]11\"][b@1] An event\n";
    let parsed = lines(format!("{} {text}", text.len()).as_bytes()).unwrap();
    let params = vec![
        ("iut".into(), "3".into()),
        ("eventID".into(), "10]11".into()),
    ];
    let elements = vec![
        ("exampleSDID@32473".into(), params),
        ("b@1".into(), Vec::new()),
    ];
    assert_eq!(parsed[0].elements, elements);
    assert_eq!(
        (parsed[0].priority, parsed[0].msg.as_slice()),
        (165, &b"An event\n"[..])
    );
}

#[test]
fn lines_against_the_grammar_do_not_parse() {
    let good = "<14>1 2003-10-11T22:14:15+00:00 h a p - [a b=\"c\"] x\n";
    lines(format!("{} {good}", good.len()).as_bytes()).unwrap();
    for (part, bad) in [
        ("<14>", "<014>"),
        ("<14>", "<192>"),
        (">1 ", ">2 "),
        ("22:14:15", "22:14:15."),
        ("22:14:15", "22:14:15.1234567"),
        ("10-11", "02-30"),
        ("+00:00", "Z"),
        (" h ", "  "),
        (" a ", " é "),
        ("\"c\"", "\"]\""),
        ("\"c\"", "\"\\c\""),
        ("[a b=\"c\"]", ""),
        ("x\n", "x"),
    ] {
        let text = good.replacen(part, bad, 1);
        assert!(
            lines(format!("{} {text}", text.len()).as_bytes()).is_err(),
            "{text}"
        );
    }
    lines(format!("{} {good}", good.len() + 1).as_bytes()).unwrap_err();
    lines(format!("0{} {good}", good.len()).as_bytes()).unwrap_err();
}
