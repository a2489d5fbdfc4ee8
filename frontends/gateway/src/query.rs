//! The query: what a reader asks for, as a request to the log provider.

use bytes::Bytes;
use hydrant_proto::v2::selector::Message;
use hydrant_proto::v2::{
    CounterSelector, EgressBatchRequest, EventSelector, GaugeSelector, LogSelector, Selector,
    TimerSelector,
};
use percent_encoding::percent_decode_str;
use prost::Message as _;

/// Keys that ask for envelopes. One of them is needed.
const KINDS: [&str; 7] = [
    "log",
    "counter",
    "gauge",
    "timer",
    "event",
    "counter.name",
    "gauge.name",
];

/// Keys and values in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

/// Why a query asks for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// There is no key in it.
    Empty,
    /// It names no kind of envelope.
    NoKind,
}

impl Query {
    /// Reads a query as Go does: what has a semicolon or a broken escape in it is left out. What is
    /// not UTF-8 gets replacement characters, which no source has in its name.
    pub(crate) fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self(pairs.filter_map(pair).collect())
    }

    /// The sources asked for.
    pub(crate) fn source_ids(&self) -> impl Iterator<Item = &str> {
        self.all("source_id")
    }

    /// The request, encoded. Tags are always asked for in `tags`.
    pub(crate) fn request(&self) -> Result<Bytes, Unusable> {
        let request = EgressBatchRequest {
            shard_id: self.first("shard_id"),
            deterministic_name: self.first("deterministic_name"),
            use_preferred_tags: true,
            selectors: self.selectors()?,
            legacy_selector: None,
        };
        Ok(request.encode_to_vec().into())
    }

    fn selectors(&self) -> Result<Vec<Selector>, Unusable> {
        if self.0.is_empty() {
            return Err(Unusable::Empty);
        }
        let messages = self.messages();
        if messages.is_empty() {
            return Err(Unusable::NoKind);
        }
        let every_source = (!self.has("source_id")).then_some("");
        let source_ids = self.source_ids().chain(every_source);
        let selectors = source_ids.flat_map(|source_id| {
            messages.iter().map(|message| Selector {
                source_id: source_id.to_owned(),
                message: Some(message.clone()),
            })
        });
        Ok(selectors.collect())
    }

    /// What is asked for of each source.
    fn messages(&self) -> Vec<Message> {
        let mut messages = Vec::new();
        if !KINDS.iter().any(|kind| self.has(kind)) {
            return messages;
        }
        if self.has("log") {
            messages.push(Message::Log(LogSelector {}));
        }
        messages.extend(self.counters());
        messages.extend(self.gauges());
        if self.has("timer") {
            messages.push(Message::Timer(TimerSelector {}));
        }
        if self.has("event") {
            messages.push(Message::Event(EventSelector {}));
        }
        messages
    }

    /// Those named if any is named, else all if they are asked for.
    fn counters(&self) -> impl Iterator<Item = Message> {
        let all = self.has("counter") && !self.has("counter.name");
        let names = self.all("counter.name").chain(all.then_some(""));
        names.map(|name| {
            let name = name.to_owned();
            Message::Counter(CounterSelector { name })
        })
    }

    fn gauges(&self) -> impl Iterator<Item = Message> {
        let all = self.has("gauge") && !self.has("gauge.name");
        let named = self.all("gauge.name").map(|names| GaugeSelector {
            names: names.split(',').map(str::to_owned).collect(),
        });
        let all = all.then(GaugeSelector::default);
        named.chain(all).map(Message::Gauge)
    }

    fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _)| name == key)
    }

    fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(move |(name, _)| name == key);
        named.map(|(_, value)| value.as_str())
    }

    fn first(&self, key: &str) -> String {
        self.all(key).next().unwrap_or_default().to_owned()
    }
}

fn pair(pair: &str) -> Option<(String, String)> {
    if pair.contains(';') {
        return None;
    }
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    Some((unescaped(key)?, unescaped(value)?))
}

fn unescaped(text: &str) -> Option<String> {
    let is_whole = |escape: &str| {
        let digits = escape.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(is_whole) {
        return None;
    }
    let spaced = text.replace('+', " ");
    Some(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(query: &str) -> Result<EgressBatchRequest, Unusable> {
        let request = Query::parse(query).request()?;
        Ok(EgressBatchRequest::decode(request).unwrap())
    }

    /// Selectors as `source:kind` or `source:kind=name,name`.
    fn selectors(query: &str) -> Vec<String> {
        let selectors = request(query).unwrap().selectors;
        selectors.into_iter().map(shown).collect()
    }

    fn shown(selector: Selector) -> String {
        let message = match selector.message.unwrap() {
            Message::Log(_) => "log".to_owned(),
            Message::Counter(counter) => format!("counter={}", counter.name),
            Message::Gauge(gauge) => format!("gauge={:?}", gauge.names),
            Message::Timer(_) => "timer".to_owned(),
            Message::Event(_) => "event".to_owned(),
        };
        format!("{}:{message}", selector.source_id)
    }

    #[test]
    fn each_kind_is_a_selector() {
        assert_eq!(selectors("log"), [":log"]);
        assert_eq!(selectors("log=anything&log"), [":log"]);
        assert_eq!(selectors("counter="), [":counter="]);
        assert_eq!(selectors("gauge"), [":gauge=[]"]);
        assert_eq!(
            selectors("event&timer&gauge&counter&log"),
            [":log", ":counter=", ":gauge=[]", ":timer", ":event"]
        );
    }

    #[test]
    fn names_take_the_place_of_all() {
        assert_eq!(
            selectors("counter.name=b&counter&counter.name=a"),
            [":counter=b", ":counter=a"]
        );
        assert_eq!(
            selectors("gauge&gauge.name=cpu,memory&gauge.name=x"),
            [r#":gauge=["cpu", "memory"]"#, r#":gauge=["x"]"#]
        );
        assert_eq!(selectors("counter.name="), [":counter="]);
        assert_eq!(selectors("gauge.name"), [r#":gauge=[""]"#]);
        assert_eq!(selectors("gauge.name=,"), [r#":gauge=["", ""]"#]);
    }

    #[test]
    fn each_source_gets_every_kind() {
        assert_eq!(
            selectors("event&source_id=b&log&source_id=a"),
            ["b:log", "b:event", "a:log", "a:event"]
        );
        assert_eq!(selectors("log&source_id="), [":log"]);
    }

    #[test]
    fn the_rest_of_the_request() {
        let request = request("log&shard_id=s&shard_id=t&deterministic_name=d").unwrap();
        assert_eq!(request.shard_id, "s");
        assert_eq!(request.deterministic_name, "d");
        assert!(request.use_preferred_tags);
        assert_eq!(request.legacy_selector, None);
    }

    #[test]
    fn what_asks_for_nothing() {
        for empty in ["", "&", "&&", "a;b", "log;gauge", "%zz=1", "log=%"] {
            assert_eq!(request(empty), Err(Unusable::Empty), "{empty}");
        }
        for no_kind in ["=", "source_id=a", "Log", "logs", "shard_id=log", "log;&a"] {
            assert_eq!(request(no_kind), Err(Unusable::NoKind), "{no_kind}");
        }
    }

    #[test]
    fn escapes_are_those_of_forms() {
        assert_eq!(
            selectors("l%6fg&source_id=a+b%26%2B&source_id=c=d"),
            ["a b&+:log", "c=d:log"]
        );
        assert_eq!(selectors("log&source_id=%&source_id=%4"), [":log"]);
        assert_eq!(selectors("log&source_id=%ff"), ["\u{fffd}:log"]);
        assert_eq!(selectors("log&source_id=%é"), [":log"]);
    }
}
