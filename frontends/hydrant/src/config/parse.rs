//! TOML to settings, and what is said if it cannot be read: where, what is wrong and what is
//! allowed. Nothing of what stands there is shown, since that may be a secret.

use serde::de::DeserializeOwned;

/// Reads settings.
///
/// # Errors
/// A line that names the place and the keys that lead to it, as far as they are known.
pub(super) fn parse<C: DeserializeOwned>(text: &str) -> Result<C, String> {
    toml::from_str(text).map_err(|error| problem(text, error))
}

fn problem(text: &str, mut error: toml::de::Error) -> String {
    let place = error.span().map(|span| place(text, span.start));
    // With the input, the error would show the line.
    error.set_input(None);
    let said = without_value(&error.to_string());
    let said = said.lines().collect::<Vec<_>>().join(" ");
    place.map_or_else(|| said.clone(), |place| format!("{place}: {said}"))
}

fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("line {line}, column {column}")
}

/// Where serde says what it was given and what it expects, only the kind is kept of the former.
fn without_value(message: &str) -> String {
    let tells_value = ["invalid type: ", "invalid value: "]
        .iter()
        .any(|start| message.starts_with(start));
    let (value, expected) = (message.find(['`', '"']), message.rfind(", expected "));
    match (value, expected) {
        (Some(value), Some(expected)) if tells_value && value < expected => {
            format!("{}{}", message[..value].trim_end(), &message[expected..])
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn said(text: &str) -> String {
        parse::<Config>(text).unwrap_err()
    }

    fn of_secret(value: &str) -> String {
        said(&format!(
            "[gateway.access.uaa]\naddress = \"a\"\nclient_secret = {value}\n"
        ))
    }

    #[test]
    fn a_wrong_key_is_named_with_place_and_choices() {
        let said = said("[engine]\n\n[websokets]\n");
        assert!(said.starts_with("line 3, column 2: unknown field `websokets`"));
        assert!(said.contains("`websocket`"), "{said}");
    }

    #[test]
    fn a_wrong_kind_of_value_is_told_with_its_key() {
        let said = said("[engine]\n# ä\n[websocket]\nenabled = 'ä' # yes\n");
        let expected = "line 4, column 11: invalid type: string, expected a boolean in \
                        `websocket.enabled`";
        assert_eq!(said, expected);
    }

    #[test]
    fn a_secret_is_never_shown() {
        for value in [
            "hush",
            "\"hush",
            "\"hush\" hush",
            "hush\"",
            "'hush' = 'hush'",
            "[\"hush\"]",
            "{ hush }",
            "\"\"\"\nhush\n\"\"\" hush",
            "\"\\hush\"",
        ] {
            let said = of_secret(value);
            assert!(said.starts_with("line "), "{value}: {said}");
            assert!(!said.contains("hush"), "{value}: {said}");
        }
    }

    #[test]
    fn a_secret_of_another_type_is_not_shown_either() {
        for (value, kind) in [("271828", "integer"), ("2.71828", "floating point")] {
            let expected = format!(
                "line 3, column 17: invalid type: {kind}, expected a string in \
                 `gateway.access.uaa.client_secret`"
            );
            assert_eq!(of_secret(value), expected);
        }
        let message = "invalid value: string \"a, expected `b`\", expected c";
        assert_eq!(without_value(message), "invalid value: string, expected c");
        let message = "invalid type: map, expected `a` or \"b\"";
        assert_eq!(without_value(message), message);
    }
}
