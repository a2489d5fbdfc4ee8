//! What Log Cache is asked, and what upstream's answered, recorded: a node with the same envelopes,
//! its gateway and the proxy answer the same, but for what differs on purpose.
//!
//! In `recorded/`, a line each: `envelopes.jsonl`, what both nodes were sent; `tokens.jsonl`, what
//! clients of the proxy show; `requests.jsonl`, what was asked of the node (gRPC), the gateway and the
//! proxy, with upstream's answer. All times are absolute, so that answers are always the same. What
//! differs has a reason, and our answer beside upstream's.

mod answer;
mod envelopes;
mod http;
mod node;
mod shape;
mod tokens;

use super::{gateway, proxy};
use crate::process::Server;
use crate::roles::Running;
use answer::Answer;
use envelopes::Envelopes;
use hydrant_access::fakes::{FakeApi, FakeUaa};
use node::Node;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use tokens::Token;

const NODE: &str = r#"
[engine]
udp = []
tcp = []
lane_bytes = "2 MiB"

[websocket]
enabled = false

[grpc]
enabled = false

[operator]
address = "127.0.0.1:0"

[log_cache]
address = "127.0.0.1:0"
"#;

/// A request and upstream's answer to it.
#[derive(Debug, Deserialize)]
struct Recorded {
    name: String,
    #[serde(flatten)]
    question: Question,
    answer: Answer,
    /// Whether upstream gives the samples of a result in an order of chance.
    #[serde(default)]
    unordered: bool,
    /// Why ours is another.
    differs: Option<String>,
    /// Ours, where it is another.
    ours: Option<Answer>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "via", rename_all = "lowercase")]
enum Question {
    Node(node::Call),
    Gateway(http::Request),
    Proxy(http::Request),
}

fn lines<T: for<'l> Deserialize<'l>>(text: &str) -> Vec<T> {
    let line = |line: &str| match serde_json::from_str(line) {
        Ok(read) => read,
        Err(error) => panic!("{error}: {line}"),
    };
    text.lines().map(line).collect()
}

#[test]
fn every_answer_is_upstreams() {
    let (uaa, api) = (FakeUaa::new(), FakeApi::new());
    let tokens = Token::publish(&lines(include_str!("recorded/tokens.jsonl")), &uaa, &api);
    for (guid, name) in [
        ("app-a", "name-a"),
        ("app-b", "name-b"),
        ("app-c", "twins"),
        ("app-d", "twins"),
        ("agent", "agent"),
    ] {
        api.app(guid, name);
    }
    api.instance("svc-1");
    let server = Server::run(NODE);
    let node = Node::new(server.log_cache);
    let envelopes: Vec<Envelopes> = lines(include_str!("recorded/envelopes.jsonl"));
    node.send(envelopes.iter().flat_map(Envelopes::all));
    let gateway = Running::start_until("http", &mut gateway(server.log_cache));
    let proxy = Running::start_until("http", &mut proxy(gateway.bound("http"), &uaa, &api));

    let all: Vec<Recorded> = lines(include_str!("recorded/requests.jsonl"));
    let mut wrong = Vec::new();
    for recorded in &all {
        let said = match &recorded.question {
            Question::Node(call) => node.ask(call),
            Question::Gateway(request) => http::ask(gateway.bound("http"), request, &tokens),
            Question::Proxy(request) => http::ask(proxy.bound("http"), request, &tokens),
        };
        let said = match recorded.unordered {
            true => said.in_order(),
            false => said,
        };
        let expected = recorded.ours.as_ref().unwrap_or(&recorded.answer);
        if !expected.is(&said) {
            let name = &recorded.name;
            wrong.push(format!(
                "{name}\n  expected {expected:?}\n  got      {said:?}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    gateway.stop();
    proxy.stop();
}

#[test]
fn what_differs_has_a_reason_and_differs() {
    let all: Vec<Recorded> = lines(include_str!("recorded/requests.jsonl"));
    let names: BTreeSet<_> = all.iter().map(|recorded| &recorded.name).collect();
    assert_eq!(names.len(), all.len(), "names are for one request each");
    let mut equal = BTreeMap::<&str, usize>::new();
    for recorded in &all {
        let name = &recorded.name;
        match (&recorded.ours, &recorded.differs) {
            (None, None) => {
                let via = match &recorded.question {
                    Question::Node(_) => "node",
                    Question::Gateway(_) => "gateway",
                    Question::Proxy(_) => "proxy",
                };
                *equal.entry(via).or_default() += 1;
            }
            (Some(ours), Some(reason)) => {
                assert!(!reason.is_empty() && *ours != recorded.answer, "{name}");
            }
            _ => panic!("{name}: either both or none"),
        }
    }
    // Far more than half of what is asked of each is answered the same.
    for via in ["node", "gateway", "proxy"] {
        assert!(equal[via] >= 150, "{equal:?}");
    }
}
