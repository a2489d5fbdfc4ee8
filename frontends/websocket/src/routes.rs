//! Paths to routes: what a client asks for, in the words of any generation.
//!
//! A name in braces is one segment of the decoded path, and any method is routed, as upstream has
//! it.

use form_urlencoded::parse;
use hydrant_feed::select::Selector;
use percent_encoding::percent_decode_str;

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/firehose/{subscription}`, `/apps/{id}/stream`, `/tail/?app=ID`, and `/dump/?app=ID` of a
    /// client that opens a WebSocket.
    Stream(Target),
    /// `/apps/{id}/recentlogs`.
    RecentLogs(Kept),
    /// `/apps/{id}/containermetrics`.
    ContainerMetrics(Kept),
    /// `/recent?app=ID` and `/dump/?app=ID`: logs as the first generation has them.
    Dump(Kept),
    /// A path of the first generation without `?app=`.
    NoApp,
    /// `/set-cookie`.
    SetCookie,
    /// `/`, where a Cloud Controller lists its links.
    Root,
    /// `/v2/info`, the same for older clients.
    Info,
    /// A path with `//`, `.` or `..` in it, and what is meant by it.
    Unclean(String),
    /// Nothing.
    Unknown,
}

/// A stream that sessions can share or each have for themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The firehose's subscription: its sessions of one selector get each message once between
    /// them. None: every session gets every message.
    pub(crate) subscription: Option<String>,
    pub(crate) selector: Selector,
    pub(crate) form: Form,
}

/// What a message of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A dropsonde envelope.
    Envelope,
    /// A `logmessage.LogMessage` of the first generation.
    LogMessage,
}

/// What was kept of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) app: String,
    /// No more than so many, the newest, if the client says so.
    pub(crate) limit: Option<usize>,
}

impl Route {
    /// The route of a path and a query. `/dump/` was a WebSocket and then was none: it is what the
    /// client wants it to be.
    pub(crate) fn of(path: &str, query: Option<&str>, opens_websocket: bool) -> Self {
        let Ok(path) = percent_decode_str(path).decode_utf8() else {
            return Self::Unknown;
        };
        let query = query.unwrap_or_default();
        if let Some(clean) = cleaned(&path) {
            return Self::Unclean(with_query(clean, query));
        }
        match path.as_ref() {
            "/" => Self::Root,
            "/v2/info" => Self::Info,
            "/set-cookie" => Self::SetCookie,
            "/tail/" | "/tail" => Self::first_generation(query, |kept| Self::Stream(kept.tail())),
            "/recent" | "/recent/" => Self::first_generation(query, Self::Dump),
            "/dump/" | "/dump" if opens_websocket => {
                Self::first_generation(query, |kept| Self::Stream(kept.tail()))
            }
            "/dump/" | "/dump" => Self::first_generation(query, Self::Dump),
            path => Self::today(path, query),
        }
    }

    fn today(path: &str, query: &str) -> Self {
        if let Some(subscription) = path.strip_prefix("/firehose/") {
            return match is_segment(subscription) {
                true => Self::Stream(Target::firehose(subscription, query)),
                false => Self::Unknown,
            };
        }
        let Some((app, what)) = path.strip_prefix("/apps/").and_then(|rest| {
            let (app, what) = rest.split_once('/')?;
            is_segment(app).then_some((app, what))
        }) else {
            return Self::Unknown;
        };
        match what {
            "stream" => Self::Stream(Target::app(app)),
            "recentlogs" => Self::RecentLogs(Kept::of(app, query)),
            "containermetrics" => Self::ContainerMetrics(Kept::of(app, query)),
            _ => Self::Unknown,
        }
    }

    fn first_generation(query: &str, route: impl FnOnce(Kept) -> Self) -> Self {
        match value(query, "app").filter(|app| !app.is_empty()) {
            Some(app) => route(Kept::of(&app, query)),
            None => Self::NoApp,
        }
    }
}

impl Target {
    /// An unknown filter is no filter, as upstream.
    fn firehose(subscription: &str, query: &str) -> Self {
        let selector = match value(query, "filter-type").as_deref() {
            Some("logs") => Selector::logs(),
            Some("metrics") => Selector::metrics(),
            _ => Selector::everything(),
        };
        Self {
            subscription: Some(subscription.to_owned()),
            selector,
            form: Form::Envelope,
        }
    }

    fn app(id: &str) -> Self {
        Self {
            subscription: None,
            selector: Selector::app(id),
            form: Form::Envelope,
        }
    }

    /// The app whose envelopes these are; none if they are everybody's.
    pub(crate) fn app_id(&self) -> Option<&str> {
        match &self.selector {
            Selector::App { id, .. } => Some(id),
            Selector::Firehose(_) => None,
        }
    }

    /// Under which name its sessions are summed up, as in the Traffic Controller's own metrics.
    pub(crate) const fn endpoint(&self) -> &'static str {
        match self.selector {
            Selector::Firehose(_) => "firehose",
            Selector::App { .. } => "stream",
        }
    }
}

impl Kept {
    fn of(app: &str, query: &str) -> Self {
        Self {
            app: app.to_owned(),
            limit: value(query, "limit").and_then(|limit| limit.parse().ok()),
        }
    }

    fn tail(&self) -> Target {
        Target {
            subscription: None,
            selector: Selector::logs().of_app(&self.app),
            form: Form::LogMessage,
        }
    }
}

/// The first value of a key.
pub(crate) fn value(query: &str, key: &str) -> Option<String> {
    let mut pairs = parse(query.as_bytes());
    let (_, value) = pairs.find(|(name, _)| name == key)?;
    Some(value.into_owned())
}

fn is_segment(text: &str) -> bool {
    !text.is_empty() && !text.contains('/')
}

/// The path that is meant, as Go's `path.Clean` has it, a slash at the end left there; nothing if
/// it is this one.
fn cleaned(path: &str) -> Option<String> {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let mut clean = format!("/{}", kept.join("/"));
    if path.ends_with('/') && clean.len() > 1 {
        clean.push('/');
    }
    (clean != path).then_some(clean)
}

fn with_query(path: String, query: &str) -> String {
    match query {
        "" => path,
        query => format!("{path}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &str, query: &str) -> Route {
        Route::of(path, Some(query), false)
    }

    fn firehose(subscription: &str, selector: Selector) -> Route {
        Route::Stream(Target {
            subscription: Some(subscription.into()),
            selector,
            form: Form::Envelope,
        })
    }

    fn kept(app: &str, limit: Option<usize>) -> Kept {
        Kept {
            app: app.into(),
            limit,
        }
    }

    #[test]
    fn a_firehose_has_a_subscription_and_perhaps_a_filter() {
        for (query, selector) in [
            ("", Selector::everything()),
            ("filter-type=logs", Selector::logs()),
            ("x=y&filter-type=metrics", Selector::metrics()),
            ("filter-type=LOGS", Selector::everything()),
            ("filter-type=&filter-type=logs", Selector::everything()),
        ] {
            let expected = firehose("a b", selector);
            assert_eq!(route("/firehose/a%20b", query), expected, "{query:?}");
        }
    }

    #[test]
    fn a_stream_has_an_app() {
        let Route::Stream(target) = route("/apps/some-app/stream", "") else {
            panic!("not a stream");
        };
        assert_eq!(target.selector, Selector::app("some-app"));
        assert_eq!(
            (target.subscription.as_deref(), target.endpoint()),
            (None, "stream")
        );
        assert_eq!(target.app_id(), Some("some-app"));
    }

    #[test]
    fn what_is_kept_of_an_app_may_be_limited() {
        for (query, limit) in [
            ("", None),
            ("limit=0", Some(0)),
            ("limit=7", Some(7)),
            ("limit=-1", None),
            ("limit=many", None),
        ] {
            let kept = kept("a", limit);
            let logs = Route::RecentLogs(kept.clone());
            assert_eq!(route("/apps/a/recentlogs", query), logs, "{query}");
            let metrics = Route::ContainerMetrics(kept);
            assert_eq!(route("/apps/a/containermetrics", query), metrics, "{query}");
        }
    }

    #[test]
    fn the_first_generation_names_the_app_in_the_query() {
        let tail = Target {
            subscription: None,
            selector: Selector::logs().of_app("a b"),
            form: Form::LogMessage,
        };
        assert_eq!(route("/tail/", "app=a%20b"), Route::Stream(tail.clone()));
        assert_eq!(tail.endpoint(), "stream");
        let dump = Route::Dump(kept("a b", None));
        assert_eq!(route("/recent", "x=y&app=a+b"), dump);
        assert_eq!(route("/dump/", "app=a+b"), dump);
        let by_websocket = Route::of("/dump/", Some("app=a+b"), true);
        assert_eq!(by_websocket, Route::Stream(tail));
        for path in ["/tail/", "/recent", "/dump/"] {
            assert_eq!(route(path, "app="), Route::NoApp, "{path}");
            assert_eq!(Route::of(path, None, true), Route::NoApp, "{path}");
        }
    }

    #[test]
    fn an_unclean_path_is_sent_where_it_means() {
        for (path, clean) in [
            ("//firehose/x", "/firehose/x"),
            ("/firehose//x", "/firehose/x"),
            ("/apps/./a/../b/stream", "/apps/b/stream"),
            ("/../", "/"),
            ("", "/"),
            ("/firehose/x//", "/firehose/x/"),
        ] {
            assert_eq!(route(path, ""), Route::Unclean(clean.into()), "{path}");
        }
        let query = Route::Unclean("/firehose/x?filter-type=logs".into());
        assert_eq!(route("//firehose/x", "filter-type=logs"), query);
    }

    #[test]
    fn nothing_else_is_anything() {
        for path in [
            "/firehose",
            "/firehose/",
            "/firehose/a/",
            "/firehose/a/b",
            "/firehose/a%2Fb",
            "/firehose/%ff",
            "/apps/stream",
            "/apps/a",
            "/apps/a/stream/",
            "/apps/a/b/stream",
            "/Firehose/a",
            "/v2/info/",
            "/set-cookie/",
            "/tail/x",
        ] {
            assert_eq!(route(path, ""), Route::Unknown, "{path}");
        }
        assert_eq!(route("/", ""), Route::Root);
        assert_eq!(route("/v2/info", ""), Route::Info);
        assert_eq!(route("/set-cookie", ""), Route::SetCookie);
    }
}
