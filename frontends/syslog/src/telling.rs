//! What apps are told in their own logs of their drains: that lines were lost, and that a drain cannot
//! be reached. In upstream's words, once a minute at most, and never with what is secret of a URL.

use crate::session::Session;
use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// Something an app is to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The app's GUID.
    pub app: String,
    /// What it is to read.
    pub message: String,
}

/// Has apps told; must not block.
#[derive(Clone)]
pub struct Tell(Arc<dyn Fn(Notice) + Send + Sync>);

impl Tell {
    /// By this function.
    pub fn new(tell: impl Fn(Notice) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl fmt::Debug for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tell")
    }
}

/// A drain, and what its app knows of it.
#[derive(Debug)]
pub(crate) struct Told {
    app: String,
    session: Rc<Session>,
    lost: Cell<u64>,
    failures: Cell<u64>,
}

impl Told {
    /// The app knows nothing yet.
    pub(crate) const fn new(app: String, session: Rc<Session>) -> Self {
        Self {
            app,
            session,
            lost: Cell::new(0),
            failures: Cell::new(0),
        }
    }

    /// Tells the app what happened since it was told last.
    pub(crate) fn tell(&self, tell: &Tell) {
        let url = self.session.shown_url();
        let notice = |message| Notice {
            app: self.app.clone(),
            message,
        };
        let lost = self.session.lost();
        let before = self.lost.replace(lost);
        if lost > before {
            (tell.0)(notice(format!(
                "{} messages lost for application {} in user provided syslog drain with url {url}",
                lost - before,
                self.app,
            )));
        }
        let failures = self.session.failures();
        if failures > self.failures.replace(failures) {
            let error = self.session.last_error();
            (tell.0)(notice(format!("Failed to connect to {url}: {error}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::FormatLoss;
    use hydrant_feed::budget::Budget;
    use hydrant_feed::session::SessionState;
    use std::sync::Mutex;

    #[test]
    fn apps_are_told_what_is_new_and_nothing_twice() {
        let state = SessionState::new("syslog://h:1/p".to_owned(), "h:1".to_owned());
        let session = Rc::new(Session::new(Arc::new(state), 1 << 20, Budget::new(1 << 20)));
        let told = Told::new("a".to_owned(), session.clone());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = heard.clone();
        let tell = Tell::new(move |notice| {
            assert_eq!(notice.app, "a");
            hearing.lock().unwrap().push(notice.message);
        });
        let new = || {
            told.tell(&tell);
            std::mem::take(&mut *heard.lock().unwrap())
        };
        assert!(new().is_empty());
        session.refuse(FormatLoss::NoMessage);
        session.failed("refused", true);
        session.failed("no answer", true);
        let expected = [
            "1 messages lost for application a in user provided syslog drain with url syslog://h:1/p",
            "Failed to connect to syslog://h:1/p: no answer",
        ];
        assert_eq!(new(), expected);
        assert!(new().is_empty());
        session.refuse(FormatLoss::NoMessage);
        session.failed("closed by the peer", false);
        assert_eq!(new(), expected[..1]);
    }
}
