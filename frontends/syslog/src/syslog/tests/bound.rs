//! Drains of bindings, which come and go.

use super::*;
use hydrant_bindings::source::{BindingSet, BindingsConfig};
use hydrant_bindings::{Binding, Credentials};

pub(super) fn binding(url: &str, app: Option<&str>) -> Binding {
    Binding {
        url: url.into(),
        credentials: Credentials::default(),
        app: app.map(str::to_owned),
        hostname: "org.space.app".to_owned(),
    }
}

pub(super) fn set(bindings: &[Binding]) -> Arc<BindingSet> {
    Arc::new(BindingSet {
        bindings: bindings.to_vec(),
    })
}

fn plain(address: SocketAddr, app: Option<&str>) -> Binding {
    binding(&format!("syslog://{address}"), app)
}

#[test]
fn drains_come_and_go_and_others_do_not_notice() {
    let [(first, first_at), (second, second_at), (third, third_at)] = [(); 3].map(|()| listen());
    let [first, second, third] = [first, second, third].map(receive);
    let [a, b, c] = [
        plain(first_at, Some("a")),
        plain(second_at, Some("b")),
        plain(third_at, Some("a")),
    ];
    let (sender, changes) = watch::channel(set(&[a.clone(), b.clone(), b]));
    let config = SyslogConfig::default();
    let mut rig = Rig::of(&config, Some(&changes), Patience::default());
    let state = rig.syslog.states().remove(0);
    assert_eq!(state.sessions().len(), 2);
    rig.publish_logs("a", 0..100, 10);
    rig.publish_logs("b", 0..100, 10);
    let delivered = |place: usize| {
        let sessions = state.sessions();
        sessions[place].counters.get(SessionCounter::Delivered)
    };
    wait_until("the first lines", || delivered(0) + delivered(1) == 200);
    // One of a second app, whose URL cannot be read, is none.
    sender.send_replace(set(&[a, c, binding("syslog://", Some("a"))]));
    // What the retired drain got before is there, and its connection has ended in order.
    assert_eq!(lines(&second()).len(), 100);
    wait_until("its end", || {
        state.over().iter().any(|(name, _)| name == "retired")
    });
    assert_eq!(state.sessions().len(), 2);
    rig.publish_logs("a", 100..200, 10);
    rig.publish_logs("b", 100..200, 10);
    rig.end(PATIENTLY).assert_lossless();
    assert_eq!(numbers(&lines(&first())), (0..200).collect::<Vec<_>>());
    assert_eq!(numbers(&lines(&third())), (100..200).collect::<Vec<_>>());
    let (_, retired) = &state.over()[0];
    assert_eq!(retired.get(SessionCounter::Delivered), 100);
    assert_eq!(retired.waiting(), 0);
    assert_eq!(state.feed.get(FeedCounter::Unselected), 100);
}

#[test]
fn the_bindings_hostname_is_the_lines() {
    let (listener, address) = listen();
    let received = receive(listener);
    let (_sender, changes) = watch::channel(set(&[plain(address, None)]));
    let config = SyslogConfig::default();
    let mut rig = Rig::of(&config, Some(&changes), Patience::default());
    rig.publish_logs("a", 0..1, 0);
    rig.end(PATIENTLY).assert_lossless();
    let bytes = received();
    assert!(lines(&bytes)[0].contains(" org.space.app a "), "{bytes:?}");
}

#[test]
fn an_apps_drain_may_not_have_every_address() {
    let (listener, address) = listen();
    let accepted = in_background(move || receive(listener)());
    let config = SyslogConfig {
        bindings: Some(BindingsConfig {
            aggregate_urls: vec!["syslog://unused.example:1".into()],
            blacklist: "127.0.0.0-127.255.255.255".parse().unwrap(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let of_name = binding(&format!("syslog://localhost:{}", address.port()), Some("a"));
    let operators = plain(address, None);
    let (_sender, changes) = watch::channel(set(&[of_name, plain(address, Some("a")), operators]));
    let mut rig = Rig::of(&config, Some(&changes), Patience::default());
    let refused = |session: &SessionState| session.note().contains("is blacklisted");
    rig.publish_logs("a", 0..10, 10);
    let sessions = rig.syslog.states()[0].sessions();
    wait_until("refusals", || {
        refused(&sessions[0]) && refused(&sessions[1])
    });
    let ended = rig.end(Duration::from_millis(50));
    ended.assert_balanced();
    assert_eq!(ended.count(0, SessionCounter::Gone), 10);
    assert_eq!(ended.count(1, SessionCounter::Gone), 10);
    // The one connection was the operator's drain's.
    assert_eq!(lines(&accepted()).len(), 10);
    assert_eq!(ended.count(2, SessionCounter::Delivered), 10);
}

#[test]
fn a_drain_without_lines_is_closed_and_connects_again() {
    let (listener, address) = listen();
    let received = in_background(move || {
        let accept = || read_all(listener.accept().unwrap().0);
        [accept(), accept()]
    });
    let patience = Patience {
        idle: Duration::from_millis(20),
        ..Default::default()
    };
    let mut rig = Rig::with(&[drain(address, "", None)], ByteSize::mib(1), patience);
    let session = rig.session(0);
    rig.publish_logs("a", 0..10, 0);
    wait_until("its closing", || session.note().starts_with("idle"));
    rig.publish_logs("a", 10..20, 0);
    rig.end(PATIENTLY).assert_lossless();
    let [first, second] = received();
    assert_eq!(numbers(&lines(&first)), (0..10).collect::<Vec<_>>());
    assert_eq!(numbers(&lines(&second)), (10..20).collect::<Vec<_>>());
}

#[test]
fn lines_without_counts_end_where_they_end() {
    let (listener, address) = listen();
    let received = receive(listener);
    let mut rig = Rig::new(&[drain(address, "framing=non-transparent", None)]);
    rig.publish(&log("a", "one\ntwo"));
    rig.publish(&log("a", "three\n"));
    rig.shard.commit();
    rig.end(PATIENTLY).assert_lossless();
    let bytes = received();
    let text = str::from_utf8(&bytes).unwrap();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("<14>1 ") && lines[0].ends_with(" one#012two\n"));
    assert!(lines[1].ends_with(" three\n"));
}

#[test]
fn workers_share_the_drains() {
    let listeners: Vec<_> = (0..16).map(|_| listen()).collect();
    let bindings: Vec<_> = listeners
        .iter()
        .enumerate()
        .map(|(number, (_, address))| plain(*address, Some(&format!("app-{number}"))))
        .collect();
    let received: Vec<_> = listeners
        .into_iter()
        .map(|(listener, _)| receive(listener))
        .collect();
    let (_sender, changes) = watch::channel(set(&bindings));
    let mut readers = [LaneReader::new().unwrap(), LaneReader::new().unwrap()];
    let shard = connect(&mut readers, LANE_BYTES);
    let cells = readers.each_ref().map(LaneReader::demand);
    let config = SyslogConfig {
        workers: 2,
        ..Default::default()
    };
    let hooks = Hooks {
        bindings: Some(changes),
        tell: None,
    };
    let workers = readers.map(|reader| (reader, None)).into();
    let patience = Patience::default();
    let syslog = start_with(&config, workers, &hooks, patience).unwrap();
    let states = syslog.states();
    let mut rig = Rig {
        shard,
        routes: Routes::new(&cells),
        syslog,
    };
    for number in 0..16 {
        rig.publish_logs(&format!("app-{number}"), 0..10, 0);
    }
    drop(rig.shard);
    rig.syslog.join(PATIENTLY).unwrap();
    for received in received {
        assert_eq!(lines(&received()).len(), 10);
    }
    let served = states.iter().map(|state| state.sessions().len());
    assert!(served.clone().all(|count| count > 0));
    assert_eq!(served.sum::<usize>(), 16);
    // What a worker's drains do not want does not come to it.
    let read = states.iter().map(|state| state.feed.get(FeedCounter::Read));
    assert_eq!(read.sum::<u64>(), 160);
}
