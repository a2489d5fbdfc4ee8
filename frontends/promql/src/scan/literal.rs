//! Numbers and strings, as Go writes them.

/// What is or could be a number or a duration at the beginning of a text.
pub(super) fn number_word(text: &str) -> &str {
    let is_hex = text.starts_with("0x") || text.starts_with("0X");
    let mut last = ' ';
    let ends = |c: char| {
        let is_sign = "+-".contains(c) && !is_hex && "eE".contains(last);
        last = c;
        !(is_sign || c == '.' || c == '_' || c.is_ascii_alphanumeric())
    };
    &text[..text.find(ends).unwrap_or(text.len())]
}

/// Decimal, or hexadecimal after `0x`, or octal after `0` if it can be that.
#[expect(clippy::cast_precision_loss, reason = "numbers are floating")]
pub(super) fn number(word: &str) -> Option<f64> {
    let hex = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
    if let Some(hex) = hex {
        return i64::from_str_radix(hex, 16)
            .ok()
            .map(|integer| integer as f64);
    }
    if word.len() > 1 && word.starts_with('0') && word.bytes().all(|b| (b'0'..b'8').contains(&b)) {
        return i64::from_str_radix(word, 8)
            .ok()
            .map(|integer| integer as f64);
    }
    let is_decimal = word
        .bytes()
        .all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    is_decimal.then(|| word.parse().ok()).flatten()
}

/// The string at the beginning of a text, which begins with a quote, and the bytes that it takes.
pub(super) fn text(from: &str) -> Result<(String, usize), String> {
    const UNTERMINATED: &str = "unterminated quoted string";
    let mut chars = from.chars();
    let quote = chars.next().unwrap_or_default();
    let mut value = String::new();
    while let Some(c) = chars.next() {
        match c {
            _ if c == quote => return Ok((value, from.len() - chars.as_str().len())),
            '\\' if quote != '`' => push_escaped(&mut value, &mut chars, quote)?,
            '\n' if quote != '`' => break,
            _ => value.push(c),
        }
    }
    Err(UNTERMINATED.to_owned())
}

fn push_escaped(
    value: &mut String,
    chars: &mut std::str::Chars<'_>,
    quote: char,
) -> Result<(), String> {
    let Some(c) = chars.next() else {
        return Err("escape sequence not terminated".to_owned());
    };
    value.push(match c {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' => '\\',
        'x' => code(chars, 2, 16, 0)?,
        'u' => code(chars, 4, 16, 0)?,
        'U' => code(chars, 8, 16, 0)?,
        '0'..='7' => code(chars, 2, 8, c.to_digit(8).unwrap_or_default())?,
        c if c == quote => c,
        c => return Err(format!("unknown escape sequence {c:?}")),
    });
    Ok(())
}

/// So many more digits. In Go `\x` and octal ones are bytes; those above 127 are characters here.
fn code(
    chars: &mut std::str::Chars<'_>,
    digits: usize,
    radix: u32,
    first: u32,
) -> Result<char, String> {
    let mut number = first;
    for _ in 0..digits {
        let digit = chars.next().and_then(|c| c.to_digit(radix));
        let digit = digit.ok_or("illegal character in escape sequence")?;
        number = number.wrapping_mul(radix).wrapping_add(digit);
    }
    char::from_u32(number)
        .ok_or_else(|| "escape sequence is an invalid Unicode code point".to_owned())
}
