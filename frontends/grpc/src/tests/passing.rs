//! What goes in comes out: each version to each version.

use super::rig::{Rig, batch_of, batches, block_on, logs, number, numbered, read, taken};
use crate::Rules;
use bytes::Bytes;
use futures_util::stream;
use hydrant_engine::counters::LaneCounter;
use hydrant_proto::convert::{SourceFallback, to_v1, to_v2};
use hydrant_proto::{plumbing, v1, v2};
use hydrant_rpc::doppler::DopplerClient;
use hydrant_rpc::egress::EgressClient;
use prost::Message;

fn v1_log(app: &str) -> v1::Envelope {
    v1::Envelope {
        origin: "o".into(),
        event_type: v1::envelope::EventType::LogMessage as i32,
        timestamp: Some(7),
        tags: [("k".to_owned(), "ü".to_owned())].into(),
        log_message: Some(v1::LogMessage {
            message: "m".into(),
            message_type: v1::log_message::MessageType::Out as i32,
            timestamp: 7,
            app_id: Some(app.into()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

async fn push_v1(rig: &Rig, envelopes: &[Vec<u8>]) {
    let wrapped = envelopes
        .iter()
        .map(|envelope| batch_of(std::slice::from_ref(envelope)));
    let messages: Vec<_> = wrapped.collect();
    let mut client = rig.ingestor().await;
    let answer = client.pusher(stream::iter(messages)).await.unwrap();
    assert_eq!(answer.into_inner(), Bytes::new());
}

#[test]
fn bytes_pass_unchanged_where_the_version_is_the_same() {
    let rig = Rig::new(Rules::Both);
    block_on(async {
        let mut v2_out = rig.read_v2(&logs("", "")).await.unwrap();
        let mut v1_out = rig.read_v1(&plumbing::SubscriptionRequest::default()).await;
        let v2_in = numbered("a", 1);
        let status = rig
            .send(vec![batch_of(std::slice::from_ref(&v2_in))], 1)
            .await;
        assert_eq!(
            (status.code(), status.message()),
            (tonic::Code::Unknown, "EOF")
        );
        assert_eq!(read(&mut v2_out, 1).await, std::slice::from_ref(&v2_in));
        let v1_in = v1_log("a").encode_to_vec();
        push_v1(&rig, std::slice::from_ref(&v1_in)).await;
        let converted = to_v1(v2::Envelope::decode(&v2_in[..]).unwrap());
        assert_eq!(
            read(&mut v1_out, 2).await,
            [converted[0].encode_to_vec(), v1_in]
        );
        let converted = to_v2(v1_log("a"), SourceFallback::DeploymentJob);
        let read = read(&mut v2_out, 1).await;
        assert_eq!(v2::Envelope::decode(&read[0][..]).unwrap(), converted);
    });
    rig.stop();
}

#[test]
fn single_envelopes_come_one_a_message() {
    let rig = Rig::new(Rules::Both);
    block_on(async {
        let mut egress = EgressClient::new(rig.channel().await);
        let request: Bytes = logs("", "").encode_to_vec().into();
        let mut plain = egress.receiver(request).await.unwrap().into_inner();
        let mut doppler = DopplerClient::new(rig.channel().await);
        let mut single = doppler.subscribe(Bytes::new()).await.unwrap().into_inner();
        rig.send(batches("a", 250), 250).await;
        for at in 0..250 {
            let message = plain.message().await.unwrap().unwrap();
            assert_eq!(number(&message), at);
            let response = single.message().await.unwrap().unwrap();
            assert_eq!(taken(&response).len(), 1);
        }
    });
    rig.stop();
}

#[test]
fn an_envelope_alone_is_sent_by_the_plain_call() {
    let rig = Rig::new(Rules::Doppler);
    block_on(async {
        let mut out = rig.read_v2(&logs("", "b")).await.unwrap();
        let mut client = rig.ingress().await;
        let envelopes: Vec<Bytes> = ["a", "b", "c", "b"].map(|id| numbered(id, 5).into()).into();
        let status = client.sender(stream::iter(envelopes)).await.unwrap_err();
        assert_eq!(status.message(), "EOF");
        let read = read(&mut out, 2).await;
        assert_eq!(read, [numbered("b", 5), numbered("b", 5)]);
    });
    rig.stop();
}

#[test]
fn filters_of_the_doppler_select() {
    use plumbing::filter::Message as Kind;
    let rig = Rig::new(Rules::Doppler);
    block_on(async {
        let request = |app: &str, message| plumbing::SubscriptionRequest {
            shard_id: String::new(),
            filter: Some(plumbing::Filter {
                app_id: app.into(),
                message,
            }),
        };
        let log = Some(Kind::Log(plumbing::LogFilter {}));
        let mut of_app = rig.read_v1(&request("a", log)).await;
        let metric = Some(Kind::Metric(plumbing::MetricFilter {}));
        let mut metrics = rig.read_v1(&request("", metric)).await;
        let counter = v1::Envelope {
            origin: "o".into(),
            event_type: v1::envelope::EventType::CounterEvent as i32,
            counter_event: Some(v1::CounterEvent {
                name: "c".into(),
                delta: 1,
                total: None,
            }),
            ..Default::default()
        };
        let (a, b) = (v1_log("a").encode_to_vec(), v1_log("b").encode_to_vec());
        let counter = counter.encode_to_vec();
        push_v1(&rig, &[b, counter.clone(), a.clone()]).await;
        assert_eq!(read(&mut of_app, 1).await, [a]);
        assert_eq!(read(&mut metrics, 1).await, [counter]);
    });
    rig.stop();
}

#[test]
fn tags_come_as_they_are_preferred() {
    let rig = Rig::new(Rules::Both);
    block_on(async {
        let preferring = |use_preferred_tags| v2::EgressBatchRequest {
            use_preferred_tags,
            ..logs("", "")
        };
        let mut new = rig.read_v2(&preferring(true)).await.unwrap();
        let mut old = rig.read_v2(&preferring(false)).await.unwrap();
        let text = |text: &str| v2::Value {
            data: Some(v2::value::Data::Text(text.into())),
        };
        let mut envelope = v2::Envelope::decode(&numbered("a", 1)[..]).unwrap();
        envelope.tags = [("new".into(), "1".into())].into();
        envelope.deprecated_tags = [("old".into(), text("2"))].into();
        rig.send(vec![batch_of(&[envelope.encode_to_vec()])], 1)
            .await;
        let decoded = |read: Vec<Vec<u8>>| v2::Envelope::decode(&read[0][..]).unwrap();
        let new = decoded(read(&mut new, 1).await);
        let tags = [("new", "1"), ("old", "2")];
        assert_eq!(
            new.tags,
            tags.map(|(key, tag)| (key.into(), tag.into())).into()
        );
        assert!(new.deprecated_tags.is_empty());
        let old = decoded(read(&mut old, 1).await);
        let tags = tags.map(|(key, tag)| (key.into(), text(tag)));
        assert_eq!(old.deprecated_tags, tags.into());
        assert!(old.tags.is_empty());
    });
    rig.stop();
}

#[test]
fn a_session_that_ends_is_not_demanded_any_more() {
    let rig = Rig::new(Rules::Both);
    block_on(async {
        let stream = rig.read_v2(&logs("g", "a")).await.unwrap();
        assert_eq!(rig.session_count(), 1);
        rig.send(batches("a", 100), 100).await;
        assert_eq!(rig.lanes(LaneCounter::Published), 100);
        drop(stream);
        // Its group is thrown out some time after it, together with others.
        let mut sent = 100;
        while rig.lanes(LaneCounter::Unwanted) == 0 {
            sent += 1;
            rig.send(batches("a", 1), sent).await;
        }
        let published = rig.lanes(LaneCounter::Published);
        rig.send(batches("a", 100), sent + 100).await;
        assert_eq!(rig.lanes(LaneCounter::Published), published);
    });
    rig.stop();
}

#[test]
fn an_agent_takes_v2_alone_also_a_batch_by_itself() {
    let rig = Rig::new(Rules::Agent);
    block_on(async {
        let batch = batches("a", 3).remove(0);
        let sent = taken(&batch).len() as u64;
        let answer = rig.ingress().await.send(batch).await.unwrap();
        assert_eq!(answer.into_inner(), Bytes::new());
        assert_eq!(rig.received(), sent);
        let v1_in = batch_of(&[v1_log("a").encode_to_vec()]);
        let refused = rig.ingestor().await.pusher(stream::iter([v1_in])).await;
        assert_eq!(refused.unwrap_err().code(), tonic::Code::Unimplemented);
        let refused = rig.read_v2(&logs("", "")).await;
        assert_eq!(refused.unwrap_err().code(), tonic::Code::Unimplemented);
    });
    rig.stop();
}
