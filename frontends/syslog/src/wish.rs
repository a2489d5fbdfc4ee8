//! What a binding wants of a worker.

use crate::format::Format;
use crate::selection::Selection;
use hydrant_bindings::{Binding, Drain, DrainError};
use hydrant_engine::record::source_hash;

/// Which of so many workers serves a binding: one for all drains of an app, so that an envelope goes
/// to no more than one lane for them.
pub(crate) fn worker_of(binding: &Binding, worker_count: usize) -> usize {
    let name = match &binding.app {
        Some(app) => app,
        None => binding.url.reveal(),
    };
    let place = source_hash(name.as_bytes()) % worker_count as u64;
    usize::try_from(place).unwrap_or_default()
}

/// A binding whose URL has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) binding: Binding,
    pub(crate) drain: Drain,
}

impl Wish {
    /// Reads the binding's URL.
    ///
    /// # Errors
    /// It is not a drain's.
    pub(crate) fn new(binding: Binding) -> Result<Self, DrainError> {
        let drain = Drain::parse(binding.url.reveal())?;
        Ok(Self { binding, drain })
    }

    /// Which records it gets.
    pub(crate) fn selection(&self) -> Selection {
        Selection::new(
            self.drain.data(),
            self.drain.source_types().clone(),
            self.binding.app.as_deref(),
        )
    }

    /// How its lines are written; with tags as the drain's URL says, else as `metadata`.
    pub(crate) fn format(&self, metadata: bool) -> Format {
        Format::new(
            &self.binding.hostname,
            self.drain.metadata(metadata),
            self.drain.framing(),
        )
    }

    /// Where it is, as `host:port`.
    pub(crate) fn peer(&self) -> String {
        match self.drain.host() {
            host if host.contains(':') => format!("[{host}]:{}", self.drain.port()),
            host => format!("{host}:{}", self.drain.port()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(url: &str, app: Option<&str>) -> Wish {
        let binding = Binding {
            url: url.into(),
            credentials: Default::default(),
            app: app.map(str::to_owned),
            hostname: String::new(),
        };
        Wish::new(binding).unwrap()
    }

    #[test]
    fn an_apps_drains_have_one_worker_and_all_workers_have_some() {
        let worker =
            |url: &str, app: Option<&str>, count| worker_of(&wish(url, app).binding, count);
        let of_app = |url: &str, app: &str| worker(url, Some(app), 8);
        assert_eq!(of_app("syslog://a:1", "x"), of_app("https://b", "x"));
        let mut seen = [false; 8];
        for number in 0..200 {
            let app = number.to_string();
            seen[of_app("syslog://a:1", &app)] = true;
            assert_eq!(worker("syslog://a:1", Some(&app), 1), 0);
        }
        assert_eq!(seen, [true; 8]);
        assert!(worker("syslog://a:1", None, 8) < 8);
    }

    #[test]
    fn a_peer_is_an_address() {
        assert_eq!(wish("syslog://[::1]:5", None).peer(), "[::1]:5");
        assert_eq!(wish("https://h/p", None).peer(), "h:443");
    }
}
