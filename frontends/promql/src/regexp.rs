//! What is wrong with a regular expression, in the words of Go's `regexp`, which clients of Log Cache
//! know: what is wrong, and the part of the expression that is.

use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{self, ErrorKind as Grammar};
use regex_syntax::hir::ErrorKind as Meaning;
use regex_syntax::hir::translate::Translator;

/// What is wrong with an expression, without `error parsing regexp: ` in front; nothing, if nothing
/// is but perhaps its size.
pub fn problem(expression: &str) -> Option<String> {
    let parsed = match Parser::new().parse(expression) {
        Ok(parsed) => parsed,
        Err(error) => return Some(of_grammar(expression, &error)),
    };
    let translated = Translator::new().translate(expression, &parsed);
    let error = translated.err()?;
    let span = error.span();
    let part = &expression[span.start.offset..span.end.offset];
    Some(match error.kind() {
        Meaning::UnicodePropertyNotFound
        | Meaning::UnicodePropertyValueNotFound
        | Meaning::UnicodePerlClassNotFound => format!("invalid character class range: `{part}`"),
        other => format!("{other}: `{part}`"),
    })
}

fn of_grammar(expression: &str, error: &ast::Error) -> String {
    let (start, end) = (error.span().start.offset, error.span().end.offset);
    let (part, rest) = (&expression[start..end], &expression[start..]);
    // Flags and names are told with the parenthesis that they stand behind.
    let group = expression[..start].rfind("(?").unwrap_or(start);
    let (what, part) = match error.kind() {
        Grammar::ClassUnclosed => ("missing closing ]", rest),
        Grammar::ClassRangeInvalid => ("invalid character class range", part),
        Grammar::GroupUnclosed => ("missing closing )", expression),
        Grammar::GroupUnopened => ("unexpected )", expression),
        Grammar::RepetitionMissing => ("missing argument to repetition operator", operator(rest)),
        Grammar::RepetitionCountInvalid => ("invalid repeat count", part),
        Grammar::EscapeUnexpectedEof => ("trailing backslash at end of expression", ""),
        Grammar::EscapeHexInvalid => {
            let escape = expression[..start].rfind('\\').unwrap_or(start);
            ("invalid escape sequence", &expression[escape..end])
        }
        Grammar::UnsupportedBackreference
        | Grammar::EscapeUnrecognized
        | Grammar::EscapeHexEmpty
        | Grammar::EscapeHexInvalidDigit => ("invalid escape sequence", part),
        Grammar::UnsupportedLookAround => ("invalid or unsupported Perl syntax", part),
        Grammar::FlagUnrecognized
        | Grammar::FlagUnexpectedEof
        | Grammar::FlagDanglingNegation
        | Grammar::FlagDuplicate { .. }
        | Grammar::FlagRepeatedNegation { .. } => {
            let part = &expression[group..end];
            ("invalid or unsupported Perl syntax", part)
        }
        Grammar::GroupNameEmpty
        | Grammar::GroupNameInvalid
        | Grammar::GroupNameUnexpectedEof
        | Grammar::GroupNameDuplicate { .. } => ("invalid named capture", &expression[group..end]),
        other => return format!("{other}: `{part}`"),
    };
    format!("{what}: `{part}`")
}

/// The repetition that an expression begins with.
fn operator(rest: &str) -> &str {
    let first = match rest.starts_with('{') {
        true => rest.find('}').map_or(rest.len(), |end| end + 1),
        false => rest.chars().next().map_or(0, char::len_utf8),
    };
    let is_lazy = rest[first..].starts_with('?');
    &rest[..first + usize::from(is_lazy)]
}

#[cfg(test)]
mod tests {
    use super::problem;
    use proptest::prelude::*;
    use regex::{Error, Regex};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// There is one exactly where the expression cannot be used.
        #[test]
        fn what_cannot_be_used_has_a_problem(expression in r"[\[\](){}?*+|\\^$.,:<>=!a-eixPpQE0-3é-]{0,12}") {
            let is_wrong = matches!(Regex::new(&expression), Err(Error::Syntax(_)));
            prop_assert_eq!(problem(&expression).is_some(), is_wrong);
        }
    }

    /// Recorded from upstream.
    #[test]
    fn problems_are_told_as_go_tells_them() {
        for (expression, expected) in [
            ("[", "missing closing ]: `[`"),
            ("x[a", "missing closing ]: `[a`"),
            ("<(", "missing closing ): `<(`"),
            ("a)", "unexpected ): `a)`"),
            ("*", "missing argument to repetition operator: `*`"),
            ("a|+?", "missing argument to repetition operator: `+?`"),
            ("a{2,1}", "invalid repeat count: `{2,1}`"),
            ("\\", "trailing backslash at end of expression: ``"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("\\pX", "invalid character class range: `\\pX`"),
            ("(?=c)", "invalid or unsupported Perl syntax: `(?=`"),
            ("(?z)", "invalid or unsupported Perl syntax: `(?z`"),
            ("(?i", "invalid or unsupported Perl syntax: `(?i`"),
            ("(?P<n", "invalid named capture: `(?P<n`"),
            ("\\1", "invalid escape sequence: `\\1`"),
            ("\\C", "invalid escape sequence: `\\C`"),
            ("\\x{110000}", "invalid escape sequence: `\\x{110000`"),
        ] {
            assert_eq!(
                problem(expression).as_deref(),
                Some(expected),
                "{expression}"
            );
        }
        for right in ["", "a.*", "(?i)CPU", "\\pL", "(?P<n>a|b)"] {
            assert_eq!(problem(right), None, "{right}");
        }
    }
}
