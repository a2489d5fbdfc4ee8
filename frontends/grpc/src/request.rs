//! Readers' requests into what the table and the sessions need.

use crate::config::Rules;
use crate::forms::Form;
use crate::group_key::{GroupId, GroupKey};
use crate::limits::{check_id, check_same, check_v2};
use hydrant_engine::record::{Kind, Record};
use hydrant_engine::route::Demand;
use hydrant_feed::batches::Packing;
use hydrant_feed::select::Selector;
use hydrant_feed::select_v2::SelectorV2;
use hydrant_proto::{plumbing, v2};
use prost::Message;
use std::collections::HashMap;
use tonic::Status;

/// What a session asks for.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// One a selector, each a subscription of its own.
    pub(crate) keys: Vec<GroupKey>,
    /// Sessions with the same id, which is not empty, share each selection.
    pub(crate) group: GroupId,
    /// Orders the members of a group that is split by name.
    pub(crate) name: String,
    pub(crate) form: Form,
    /// Which call it is, for the register.
    pub(crate) call: Call,
}

/// The calls that open a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Subscribe,
    BatchSubscribe,
    Receiver,
    BatchedReceiver,
}

impl Call {
    /// Its name in the register and on /metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::BatchSubscribe => "batch_subscribe",
            Self::Receiver => "receiver",
            Self::BatchedReceiver => "batched_receiver",
        }
    }

    /// How its messages hold envelopes.
    pub(crate) const fn packing(self) -> Packing {
        match self {
            Self::BatchSubscribe | Self::BatchedReceiver => Packing::Hundred,
            Self::Subscribe => Packing::One,
            Self::Receiver => Packing::Plain,
        }
    }
}

/// One selector of either generation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Selection {
    V1(Selector),
    V2(SelectorV2),
}

impl Selection {
    pub(crate) fn source_hash(&self) -> Option<u64> {
        match self {
            Self::V1(selector) => selector.source_hash(),
            Self::V2(selector) => selector.source_hash(),
        }
    }

    pub(crate) fn add_to(&self, demand: Demand) -> Demand {
        match self {
            Self::V1(selector) => selector.add_to(demand),
            Self::V2(selector) => selector.add_to(demand),
        }
    }

    pub(crate) const fn selects_kind(&self, kind: Kind) -> bool {
        match self {
            Self::V1(selector) => selector.selects_kind(kind),
            Self::V2(selector) => selector.selects_kind(kind),
        }
    }

    #[inline]
    pub(crate) fn may_select(&self, record: &Record<'_>) -> bool {
        match self {
            Self::V1(selector) => selector.may_select(record),
            Self::V2(selector) => selector.may_select(record),
        }
    }
}

impl Subscription {
    /// What a call's request asks for.
    ///
    /// # Errors
    /// The bytes are no request, or it asks for too much; as the Reverse Log Proxy, also if it
    /// selects nothing.
    pub(crate) fn of(bytes: &[u8], call: Call, rules: Rules) -> Result<Self, Status> {
        match call {
            Call::Subscribe | Call::BatchSubscribe => Self::v1(bytes, call),
            Call::BatchedReceiver => Self::v2(bytes, call, rules),
            Call::Receiver => Ok(Self {
                name: String::new(), // Upstream forgets it here.
                ..Self::v2(bytes, call, rules)?
            }),
        }
    }

    /// Of `plumbing.Doppler`'s calls.
    fn v1(bytes: &[u8], call: Call) -> Result<Self, Status> {
        let request = decoded::<plumbing::SubscriptionRequest>(bytes)?;
        check_id("shard_id", request.shard_id.as_bytes())?;
        let group = GroupId::new(&request.shard_id);
        let selection = Selection::V1(v1_selector(request.filter));
        Ok(Self {
            keys: vec![GroupKey::new(selection, &group)],
            group,
            name: String::new(),
            form: Form::Stored,
            call,
        })
    }

    /// Of `loggregator.v2.Egress`'s calls: the requests of both have the same fields.
    fn v2(bytes: &[u8], call: Call, rules: Rules) -> Result<Self, Status> {
        check_v2(bytes)?;
        let mut request = decoded::<v2::EgressBatchRequest>(bytes)?;
        if rules.is_proxy() {
            check_selectors(&mut request)?;
        }
        let group = GroupId::new(&request.shard_id);
        Ok(Self {
            keys: keys(&request.selectors, &group)?,
            group,
            name: request.deterministic_name,
            form: match (rules.is_proxy(), request.use_preferred_tags) {
                (false, _) => Form::Stored,
                (true, true) => Form::Preferred,
                (true, false) => Form::Deprecated,
            },
            call,
        })
    }
}

fn keys(selectors: &[v2::Selector], group: &GroupId) -> Result<Vec<GroupKey>, Status> {
    let selectors = selectors.iter().filter_map(SelectorV2::of);
    let keys: Vec<_> = selectors
        .map(|selector| GroupKey::new(Selection::V2(selector), group))
        .collect();
    let mut counts = HashMap::new();
    for key in &keys {
        let count = counts.entry(key).or_insert(0);
        *count += 1;
        check_same(*count)?;
    }
    Ok(keys)
}

/// The Reverse Log Proxy's rules: the legacy selector counts if there is no other, and every
/// selector names a kind.
pub(crate) fn check_selectors(request: &mut v2::EgressBatchRequest) -> Result<(), Status> {
    if request.selectors.is_empty() {
        request.selectors.extend(request.legacy_selector.take());
    }
    if request.selectors.is_empty() {
        return Err(Status::invalid_argument("Selectors cannot be empty"));
    }
    if request
        .selectors
        .iter()
        .any(|selector| selector.message.is_none())
    {
        return Err(Status::invalid_argument("Selectors must have a Message"));
    }
    Ok(())
}

fn v1_selector(filter: Option<plumbing::Filter>) -> Selector {
    use plumbing::filter::Message;
    let Some(filter) = filter else {
        return Selector::everything();
    };
    let selector = match filter.message {
        None => Selector::everything(),
        Some(Message::Log(_)) => Selector::logs(),
        Some(Message::Metric(_)) => Selector::metrics(),
    };
    match filter.app_id.as_str() {
        "" => selector,
        app => selector.of_app(app),
    }
}

/// A request, or upstream's words for bytes that are none.
pub(crate) fn decoded<M: Message + Default>(bytes: &[u8]) -> Result<M, Status> {
    M::decode(bytes).or(Err(Status::internal(
        "grpc: failed to unmarshal the received message: \
         proto: cannot parse invalid wire-format data",
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_proto::v2::selector::Message as Wanted;

    fn log(source_id: &str) -> v2::Selector {
        v2::Selector {
            source_id: source_id.into(),
            message: Some(Wanted::Log(v2::LogSelector {})),
        }
    }

    fn v2(request: &v2::EgressBatchRequest, rules: Rules) -> Result<Subscription, Status> {
        Subscription::v2(&request.encode_to_vec(), Call::BatchedReceiver, rules)
    }

    fn selections(request: &v2::EgressBatchRequest, rules: Rules) -> Vec<Selection> {
        let keys = v2(request, rules).unwrap().keys;
        keys.iter().map(|key| key.selection().clone()).collect()
    }

    #[test]
    fn filters_of_the_doppler() {
        use plumbing::filter::Message;
        let selector = |app_id: &str, message| {
            v1_selector(Some(plumbing::Filter {
                app_id: app_id.into(),
                message,
            }))
        };
        let log = || Some(Message::Log(plumbing::LogFilter {}));
        let metric = Some(Message::Metric(plumbing::MetricFilter {}));
        assert_eq!(v1_selector(None), Selector::everything());
        assert_eq!(selector("", None), Selector::everything());
        assert_eq!(selector("", log()), Selector::logs());
        assert_eq!(selector("a", None), Selector::app("a"));
        assert_eq!(selector("a", log()), Selector::logs().of_app("a"));
        assert_eq!(selector("a", metric), Selector::metrics().of_app("a"));
    }

    #[test]
    fn the_proxy_wants_selectors_and_the_doppler_does_not() {
        let none = v2::EgressBatchRequest::default();
        assert_eq!(selections(&none, Rules::Doppler), []);
        let error = v2(&none, Rules::ReverseLogProxy).unwrap_err();
        assert_eq!(error.message(), "Selectors cannot be empty");
        let empty = v2::EgressBatchRequest {
            selectors: vec![log("a"), v2::Selector::default()],
            ..Default::default()
        };
        assert_eq!(selections(&empty, Rules::Doppler).len(), 1);
        let error = v2(&empty, Rules::Both).unwrap_err();
        assert_eq!(error.message(), "Selectors must have a Message");
    }

    #[test]
    fn a_legacy_selector_counts_alone_and_at_the_proxy() {
        let mut request = v2::EgressBatchRequest {
            legacy_selector: Some(log("old")),
            ..Default::default()
        };
        assert_eq!(selections(&request, Rules::Doppler), []);
        let of = |selector| vec![Selection::V2(SelectorV2::of(&selector).unwrap())];
        let selected = selections(&request, Rules::ReverseLogProxy);
        assert_eq!(selected, of(log("old")));
        request.selectors.push(log("new"));
        let selected = selections(&request, Rules::ReverseLogProxy);
        assert_eq!(selected, of(log("new")));
    }

    #[test]
    fn tags_are_as_the_rules_and_the_request_have_it() {
        let form = |rules, use_preferred_tags| {
            let request = v2::EgressBatchRequest {
                selectors: vec![log("")],
                use_preferred_tags,
                ..Default::default()
            };
            v2(&request, rules).unwrap().form
        };
        assert_eq!(form(Rules::Doppler, true), Form::Stored);
        assert_eq!(form(Rules::Both, true), Form::Preferred);
        assert_eq!(form(Rules::Both, false), Form::Deprecated);
    }

    /// The status' text if the request is refused for asking too much.
    fn too_much(request: &v2::EgressBatchRequest) -> Option<String> {
        let status = v2(request, Rules::Both).err()?;
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        Some(status.message().to_owned())
    }

    fn requested(selectors: Vec<v2::Selector>) -> v2::EgressBatchRequest {
        v2::EgressBatchRequest {
            selectors,
            ..Default::default()
        }
    }

    #[test]
    fn selectors_are_bounded() {
        let distinct =
            |count: usize| requested((0..count).map(|at| log(&at.to_string())).collect());
        assert_eq!(too_much(&distinct(10_000)), None);
        let text = "the request is too large: 10001 selectors, at most 10000";
        assert_eq!(too_much(&distinct(10_001)).unwrap(), text);
        assert_eq!(too_much(&requested(vec![log("a"); 16])), None);
        let text = "the request is too large: 17 times the same selector, at most 16";
        assert_eq!(too_much(&requested(vec![log("a"); 17])).unwrap(), text);
    }

    #[test]
    fn names_and_ids_are_bounded() {
        let gauge = |count| v2::Selector {
            source_id: "a".into(),
            message: Some(Wanted::Gauge(v2::GaugeSelector {
                names: vec!["n".into(); count],
            })),
        };
        assert_eq!(too_much(&requested(vec![gauge(50_000); 2])), None);
        let text = too_much(&requested(vec![gauge(50_000), gauge(50_001)])).unwrap();
        assert!(text.contains("100001 names of gauges"), "{text}");
        let id = |shard: usize, name: usize| v2::EgressBatchRequest {
            shard_id: "s".repeat(shard),
            deterministic_name: "n".repeat(name),
            ..requested(vec![log("")])
        };
        assert_eq!(too_much(&id(4096, 4096)), None);
        assert!(
            too_much(&id(4097, 0))
                .unwrap()
                .contains("bytes of shard_id")
        );
        let text = too_much(&id(0, 4097)).unwrap();
        assert!(text.contains("bytes of deterministic_name"), "{text}");
        let v1 = plumbing::SubscriptionRequest {
            shard_id: "s".repeat(4097),
            filter: None,
        };
        let status = Subscription::v1(&v1.encode_to_vec(), Call::Subscribe).unwrap_err();
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    }
}
