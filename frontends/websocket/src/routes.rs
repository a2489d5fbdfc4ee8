//! Paths to targets: which stream a client asks for.

use hydrant_feed::select::Selector;
use percent_encoding::percent_decode_str;

/// A stream that sessions can share or each have for themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The firehose's subscription: its sessions of one selector get each message once between
    /// them. None: every session gets every message.
    pub(crate) subscription: Option<String>,
    pub(crate) selector: Selector,
}

impl Target {
    /// `/firehose/{subscription}?filter-type=logs|metrics` or `/apps/{id}/stream`, where a name in
    /// braces is one segment of the decoded path. An unknown filter is no filter, as upstream.
    pub(crate) fn of(path: &str, query: Option<&str>) -> Option<Self> {
        let path = percent_decode_str(path).decode_utf8().ok()?;
        if let Some(subscription) = path.strip_prefix("/firehose/") {
            return is_segment(subscription).then(|| Self {
                subscription: Some(subscription.to_owned()),
                selector: firehose(query.unwrap_or_default()),
            });
        }
        let id = path.strip_prefix("/apps/")?.strip_suffix("/stream")?;
        is_segment(id).then(|| Self {
            subscription: None,
            selector: Selector::app(id),
        })
    }

    /// Under which name its sessions are summed up, as in the Traffic Controller's own metrics.
    pub(crate) const fn endpoint(&self) -> &'static str {
        match self.selector {
            Selector::Firehose(_) => "firehose",
            Selector::App { .. } => "stream",
        }
    }
}

fn is_segment(text: &str) -> bool {
    !text.is_empty() && !text.contains('/')
}

fn firehose(query: &str) -> Selector {
    let filter = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "filter-type");
    match filter.as_ref().map(|(_, value)| value.as_ref()) {
        Some("logs") => Selector::logs(),
        Some("metrics") => Selector::metrics(),
        _ => Selector::everything(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn firehose(subscription: &str, selector: Selector) -> Target {
        Target {
            subscription: Some(subscription.into()),
            selector,
        }
    }

    #[test]
    fn a_firehose_has_a_subscription_and_perhaps_a_filter() {
        let target = |query| Target::of("/firehose/a%20b", query).unwrap();
        for (query, selector) in [
            (None, Selector::everything()),
            (Some(""), Selector::everything()),
            (Some("filter-type=logs"), Selector::logs()),
            (Some("x=y&filter-type=metrics"), Selector::metrics()),
            (Some("filter-type=LOGS"), Selector::everything()),
            (
                Some("filter-type=&filter-type=logs"),
                Selector::everything(),
            ),
        ] {
            assert_eq!(target(query), firehose("a b", selector), "{query:?}");
        }
        assert_eq!(target(None).endpoint(), "firehose");
    }

    #[test]
    fn a_stream_has_an_app() {
        let target = Target::of("/apps/some-app/stream", Some("")).unwrap();
        assert_eq!(target.selector, Selector::app("some-app"));
        assert_eq!(
            (target.subscription.as_deref(), target.endpoint()),
            (None, "stream")
        );
    }

    #[test]
    fn nothing_else_is_anything() {
        for path in [
            "/",
            "",
            "/firehose",
            "/firehose/",
            "/firehose/a/",
            "/firehose/a/b",
            "/firehose/a%2Fb",
            "/firehose/%ff",
            "/apps//stream",
            "/apps/stream",
            "/apps/a/stream/",
            "/apps/a/b/stream",
            "/apps/a/recentlogs",
            "/apps/a/containermetrics",
            "/Firehose/a",
        ] {
            assert_eq!(Target::of(path, None), None, "{path}");
        }
    }
}
