//! Sessions served from other hosts: every session is a subscription to each router, who select
//! and share for us. What they send is v1 already.

use crate::member::Member;
use crate::recent::Recent;
use crate::routes::{Form, Target};
use crate::v0;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::decode::Envelope;
use hydrant_engine::record::{Kind, Record};
use hydrant_feed::counters::FeedCounter;
use hydrant_feed::routers::{Request, Routers, Sink, Subscription};
use hydrant_feed::select::Selector;
use hydrant_feed::session::FrontendState;
use hydrant_proto::plumbing::{self, filter};
use hydrant_proto::v2::{self, selector};
use prost::Message;
use std::sync::Arc;

/// Asks all routers on behalf of a session, until what it gives is dropped.
pub(crate) fn subscribe(
    routers: &Routers,
    target: &Target,
    member: Arc<Member>,
    state: Arc<FrontendState>,
) -> Subscription {
    let session: Arc<dyn Sink> = Arc::new(Session {
        member,
        state,
        form: target.form,
    });
    routers.subscribe(&request(target), &session)
}

/// What the Traffic Controller asks a Doppler for.
fn request(target: &Target) -> Request {
    let request = plumbing::SubscriptionRequest {
        shard_id: target.subscription.clone().unwrap_or_default(),
        filter: filter(&target.selector),
    };
    Request::V1(request.encode_to_vec().into())
}

fn filter(selector: &Selector) -> Option<plumbing::Filter> {
    let app_id = match selector {
        Selector::App { id, .. } => id.clone(),
        Selector::Firehose(_) => String::new(),
    };
    let (of_logs, of_others) = (
        selector.selects_kind(Kind::Log),
        selector.selects_kind(Kind::Counter),
    );
    let message = match (of_logs, of_others) {
        (true, false) => Some(filter::Message::Log(plumbing::LogFilter {})),
        (false, true) => Some(filter::Message::Metric(plumbing::MetricFilter {})),
        _ => None,
    };
    (!app_id.is_empty() || message.is_some()).then_some(plumbing::Filter { app_id, message })
}

/// Asks all routers for what is kept of apps, until what it gives is dropped. In v2, where one can
/// ask for logs and gauges and nothing else, and where the Dopplers' groups have no part in it.
pub(crate) fn keep(
    routers: &Routers,
    recent: Arc<Recent>,
    state: Arc<FrontendState>,
) -> Subscription {
    let keeping: Arc<dyn Sink> = Arc::new(Keeping { recent, state });
    let wanted = [
        selector::Message::Log(v2::LogSelector {}),
        selector::Message::Gauge(v2::GaugeSelector::default()),
    ];
    let selector = |message| v2::Selector {
        message: Some(message),
        ..Default::default()
    };
    let request = v2::EgressBatchRequest {
        selectors: wanted.map(selector).into(),
        use_preferred_tags: true,
        ..Default::default()
    };
    routers.subscribe(&Request::V2(request.encode_to_vec().into()), &keeping)
}

/// The store as the routers' streams see it.
struct Keeping {
    recent: Arc<Recent>,
    state: Arc<FrontendState>,
}

impl Sink for Keeping {
    fn envelope(&self, _router: usize, envelope: &Envelope<'_>) {
        let now = UnixNanos::now();
        let record = Record {
            header: envelope.header(now),
            envelope: envelope.bytes,
        };
        self.recent.writing(now).add(&record);
        self.state.feed.add(FeedCounter::Read, 1);
        self.state.feed.add(FeedCounter::Unselected, 1);
    }

    fn flush(&self) {}
}

/// A session as the routers' streams see it.
struct Session {
    member: Arc<Member>,
    state: Arc<FrontendState>,
    form: Form,
}

impl Session {
    fn give(&self, message: &[u8]) {
        self.state.feed.add(FeedCounter::Messages, 1);
        self.member.give(message);
    }
}

impl Sink for Session {
    fn envelope(&self, _router: usize, envelope: &Envelope<'_>) {
        self.state.feed.add(FeedCounter::Read, 1);
        match self.form {
            Form::Envelope => self.give(envelope.bytes),
            Form::LogMessage => match v0::log_message(envelope.bytes) {
                Some(message) => self.give(&message),
                None => self.state.feed.add(FeedCounter::NoForm, 1),
            },
        }
    }

    fn flush(&self) {
        self.member.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::Route;

    fn asked(path: &str, query: &str) -> plumbing::SubscriptionRequest {
        let Route::Stream(target) = Route::of(path, Some(query), true) else {
            panic!("not a stream");
        };
        let Request::V1(bytes) = request(&target) else {
            panic!("not v1");
        };
        plumbing::SubscriptionRequest::decode(bytes).unwrap()
    }

    #[test]
    fn filters_and_subscriptions_reach_the_dopplers() {
        let firehose = asked("/firehose/x", "");
        assert_eq!((firehose.shard_id.as_str(), firehose.filter), ("x", None));
        let filter = |query| asked("/firehose/x", query).filter.unwrap();
        let logs = filter("filter-type=logs");
        assert_eq!(logs.app_id, "");
        assert!(matches!(logs.message, Some(filter::Message::Log(_))));
        let metrics = filter("filter-type=metrics");
        assert!(matches!(metrics.message, Some(filter::Message::Metric(_))));
    }

    #[test]
    fn an_apps_stream_is_shared_with_nobody() {
        let stream = asked("/apps/a/stream", "");
        let filter = stream.filter.unwrap();
        assert_eq!(
            (stream.shard_id.as_str(), filter.app_id.as_str()),
            ("", "a")
        );
        assert_eq!(filter.message, None);
        let tail = asked("/tail/", "app=a");
        let filter = tail.filter.unwrap();
        assert_eq!((tail.shard_id.as_str(), filter.app_id.as_str()), ("", "a"));
        assert!(matches!(filter.message, Some(filter::Message::Log(_))));
    }
}
