//! The syslog agent, between a binding cache, who sends to it, and a drain.

use super::binding_cache::{binding_cache, cloud_controller, with_files};
use super::{Running, https_get, piped};
use crate::certificates::Authority;
use crate::grpc::{Sender, block_on, channel};
use crate::process::{HYDRANT, wait_until};
use bytes::Bytes;
use hydrant_proto::v2;
use hydrant_rpc::tls::{ClientTls, TlsFiles};
use prost::Message;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;

const AGENT: &str = "metron";
const COUNT: u64 = 1_000;
/// One log more, whose source is its origin.
const LINES: u64 = COUNT + 1;

/// By these variables upstream's is started.
fn syslog_agent(files: &TlsFiles) -> Command {
    let mut command = Command::new(HYDRANT);
    command
        .arg0("/var/vcap/packages/syslog-agent/syslog-agent")
        .env_clear()
        .env("AGENT_PORT", "0")
        .env("METRICS_PORT", "0")
        .env("LOGGREGATOR_AGENT_ADDR", "localhost:1")
        .env("CACHE_COMMON_NAME", "binding-cache")
        .env("CACHE_POLLING_INTERVAL", "50ms")
        .env("WARN_ON_INVALID_DRAINS", "true");
    with_files(&mut command, "AGENT", files);
    with_files(&mut command, "METRICS", files);
    piped(command)
}

/// A list of one binding of app `app`, which lives as long as the test program.
fn page(drain: SocketAddr) -> &'static str {
    let apps = r#"[{"hostname":"org.space.app","app_id":"app"}]"#;
    let url = format!("syslog://user:hush@{drain}?token=hush");
    let page = format!(
        r#"{{"results":[{{"url":"{url}","credentials":[{{"apps":{apps}}}]}}],"next_id":0}}"#
    );
    Box::leak(page.into_boxed_str())
}

/// MSG of octet-counted lines.
fn receive(listener: &TcpListener, count: u64) -> Vec<String> {
    let mut stream = BufReader::new(listener.accept().unwrap().0);
    let mut line = || {
        let mut digits = Vec::new();
        stream.read_until(b' ', &mut digits).unwrap();
        let digits = String::from_utf8(digits).unwrap();
        let mut line = vec![0; digits.trim().parse().unwrap()];
        stream.read_exact(&mut line).unwrap();
        String::from_utf8(line).unwrap()
    };
    (0..count).map(|_| line()).collect()
}

/// A log without a source id, of which an agent takes this tag for one.
fn of_origin(origin: &str, number: u64) -> Bytes {
    let log = v2::Log {
        payload: number.to_string().into(),
        ..v2::Log::default()
    };
    let envelope = v2::Envelope {
        tags: [("origin".to_owned(), origin.to_owned())].into(),
        message: Some(v2::envelope::Message::Log(log)),
        ..v2::Envelope::default()
    };
    let batch = vec![envelope];
    v2::EnvelopeBatch { batch }.encode_to_vec().into()
}

/// What it shows a scraper.
fn scraped(running: &Running, files: &TlsFiles) -> String {
    let line = "Metrics endpoint is listening on ";
    let address = running.said.lines().find_map(|said| said.split_once(line));
    let address: SocketAddr = address.unwrap().1.parse().unwrap();
    let identity = Some([&files.cert_file, &files.key_file]);
    https_get(address, (AGENT, &files.ca_file), identity, "/metrics").unwrap()
}

#[test]
fn logs_of_a_bound_app_come_to_its_drain_by_way_of_the_binding_cache() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let drain = listener.local_addr().unwrap();
    let received = thread::spawn(move || receive(&listener, LINES));
    let [api, cache, agents] = [(); 3].map(|()| Authority::new());
    let (api_address, _api) = cloud_controller(&api.files("cloud-controller"), page(drain));
    let files = cache.files("binding-cache");
    let mut command = binding_cache(&[
        files.cert_file.clone(),
        files.key_file.clone(),
        files.ca_file,
    ]);
    with_files(&mut command, "API", &api.files("client"));
    command.env("API_URL", format!("https://{api_address}"));
    let bindings = Running::start_until("cache", &mut command);
    let port = bindings.bound("cache").port();

    let files = agents.files(AGENT);
    let mut command = syslog_agent(&files);
    with_files(&mut command, "CACHE", &cache.files("client"));
    command.env("CACHE_URL", format!("https://127.0.0.1:{port}"));
    let running = Running::start_until("grpc", &mut command);
    assert!(running.said.contains("starting syslog-agent"));
    wait_until("a drain", || {
        scraped(&running, &files).contains("\ndrains{unit=\"count\"} 1\n")
    });
    block_on(async {
        let tls = ClientTls::load(&files, AGENT).unwrap();
        let sender = Sender::open(channel(running.bound("grpc"), Some(&tls)).await);
        sender.send_numbers("app", 0..COUNT).await;
        sender.send_numbers("other", 0..COUNT).await;
        sender.send(of_origin("app", COUNT)).await;
        sender.end().await;
    });
    for (number, line) in received.join().unwrap().iter().enumerate() {
        let fields: Vec<_> = line.trim_end().split(' ').collect();
        assert_eq!(&fields[2..4], ["org.space.app", "app"], "{line}");
        assert_eq!(fields.last().unwrap().parse(), Ok(number), "{line}");
    }
    let url = format!("syslog://{drain}");
    let sent = format!(
        "\negress{{direction=\"egress\",drain_scope=\"app\",drain_url=\"{url}\"}} {LINES}\n"
    );
    wait_until("a count", || scraped(&running, &files).contains(&sent));
    let text = scraped(&running, &files);
    for line in [
        "aggregate_drains{unit=\"count\"} 0",
        "dropped{direction=\"egress\"} 0",
        "dropped{direction=\"ingress\"} 0",
        &format!("ingress{{scope=\"agent\"}} {}", COUNT + LINES),
        &format!("ingress{{scope=\"all_drains\"}} {LINES}"),
        "origin_mappings 1",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
    }
    let said = running.said.clone() + &running.stop();
    assert!(said.contains("the ledger balances; 0 under way"), "{said}");
    assert!(said.contains("stopping syslog-agent"), "{said}");
    assert!(!said.contains("hush") && !text.contains("hush"), "{said}");
    bindings.stop();
}

#[test]
fn without_a_cache_and_without_aggregate_drains_it_runs_all_the_same() {
    let authority = Authority::new();
    let files = authority.files(AGENT);
    let running = Running::start_until("grpc", &mut syslog_agent(&files));
    let text = scraped(&running, &files);
    assert!(text.contains("\ndrains{unit=\"count\"} 0\n"), "{text}");
    running.stop();
}

#[test]
fn an_aggregate_drain_needs_no_cache() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let drain = listener.local_addr().unwrap();
    let received = thread::spawn(move || receive(&listener, 2));
    let authority = Authority::new();
    let files = authority.files(AGENT);
    let mut command = syslog_agent(&files);
    let urls = format!("syslog://user:hush@{drain}?drain-data=all,not-a-url,");
    command
        .env("AGGREGATE_DRAIN_URLS", urls)
        .env("DEFAULT_DRAIN_METADATA", "false");
    let running = Running::start_until("grpc", &mut command);
    wait_until("a drain", || {
        scraped(&running, &files).contains("\naggregate_drains{unit=\"count\"} 1\n")
    });
    block_on(async {
        let tls = ClientTls::load(&files, AGENT).unwrap();
        let sender = Sender::open(channel(running.bound("grpc"), Some(&tls)).await);
        sender.send_numbers("one", 0..1).await;
        sender.send_numbers("two", 1..2).await;
        sender.end().await;
    });
    let lines = received.join().unwrap();
    assert!(lines[0].contains(" - one ") && lines[1].contains(" - two "));
    assert!(lines.iter().all(|line| !line.contains("tags@47450")));
    let said = running.said.clone() + &running.stop();
    assert!(!said.contains("hush"), "{said}");
}
