//! Whatever comes from outside is read or refused, and secrets stay where they are.

use crate::check::wrong_url;
use crate::{Blacklist, Drain, Secret, wire};
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_bytes_are_bindings_or_not(json in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(list) = wire::read(&json) {
            prop_assert_eq!(wire::read(&wire::bindings(&list)), Ok(list));
        }
        wire::Page::read(&json).ok();
    }

    #[test]
    fn any_text_is_a_url_or_not(text in "(syslog|https|SYSLOG-TLS|x)?:?(//)?\\PC{0,40}") {
        let wrong = wrong_url(&Secret::from(text.as_str()));
        // What is right here is right for who connects.
        prop_assert!(wrong.is_some() || Drain::parse(&text).is_ok(), "{text}");
    }

    #[test]
    fn passwords_and_queries_are_not_shown(
        scheme in "(syslog|https|ftp|)",
        slashes in "(//)?",
        user in "[a-z:%@\\[ ]{0,5}",
        rest in "[a-z:.\\[\\]]{0,9}(/[a-z]{0,3})?",
        query in "[?#][a-z=&?#/@]{0,9}",
    ) {
        let text = format!("{scheme}:{slashes}{user}:HUSH@{rest}{query}HUSH");
        if let Some(shown) = wrong_url(&Secret::from(text.as_str())) {
            prop_assert!(!shown.contains("HUSH"), "{text}: {shown}");
        }
        if let Err(error) = Drain::parse(&text) {
            prop_assert!(!error.to_string().contains("HUSH"), "{text}: {error}");
        }
    }

    #[test]
    fn any_text_is_ranges_or_not(text in "[0-9a-f.:, -]{0,40}") {
        if let Ok(blacklist) = text.parse::<Blacklist>() {
            prop_assert_eq!(blacklist.to_string().parse(), Ok(blacklist));
        }
    }
}
