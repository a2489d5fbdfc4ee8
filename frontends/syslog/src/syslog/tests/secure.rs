//! Drains behind TLS, and over HTTP.

use super::bound::{binding, set};
use super::*;
use hydrant_bindings::{Binding, Credentials};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::io::Write;

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// A CA, and what it has signed.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn ca(&self) -> String {
        self.0.pem()
    }

    fn identity(&self) -> (String, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key)
    }

    fn credentials(&self) -> Credentials {
        let (cert, key) = self.identity();
        Credentials {
            cert: cert.into(),
            key: key.serialize_pem().into(),
            ca: self.ca().into(),
        }
    }

    fn trusts_us(&self) -> Credentials {
        Credentials {
            ca: self.ca().into(),
            ..Default::default()
        }
    }

    /// A server's configuration; it asks clients for a certificate of this CA if `is_mutual`.
    fn server(&self, is_mutual: bool) -> Arc<ServerConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = match is_mutual {
            true => builder.with_client_cert_verifier(verifier.build().unwrap()),
            false => builder.with_no_client_auth(),
        };
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = builder.with_single_cert(vec![cert.der().clone()], key);
        Arc::new(config.unwrap())
    }
}

/// Serves connections one after the other until `serve` has what it wants.
fn serve<T: Send + 'static>(
    config: Arc<ServerConfig>,
    mut serve: impl FnMut(&mut Stream) -> Option<T> + Send + 'static,
) -> (u16, impl Fn() -> T) {
    let (listener, address) = listen();
    let served = in_background(move || {
        loop {
            let (tcp, _) = listener.accept().unwrap();
            let tls = ServerConnection::new(config.clone()).unwrap();
            if let Some(served) = serve(&mut StreamOwned::new(tls, tcp)) {
                return served;
            }
        }
    });
    (address.port(), served)
}

/// All that comes on a connection that ends in order.
fn receive_secure(config: Arc<ServerConfig>) -> (u16, impl Fn() -> Vec<u8>) {
    serve(config, |stream| {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).is_ok().then_some(bytes)
    })
}

fn rig(bindings: &[Binding]) -> Rig {
    rig_with(bindings, Patience::default())
}

fn rig_with(bindings: &[Binding], patience: Patience) -> Rig {
    rig_of(bindings, &SyslogConfig::default(), patience)
}

fn rig_of(bindings: &[Binding], config: &SyslogConfig, patience: Patience) -> Rig {
    let (sender, changes) = watch::channel(set(bindings));
    drop(sender);
    Rig::of(config, Some(&changes), patience)
}

fn secured(url: &str, credentials: Credentials) -> Binding {
    Binding {
        credentials,
        ..binding(url, Some("a"))
    }
}

#[test]
fn lines_travel_under_mutual_tls() {
    let authority = Authority::new();
    let (port, received) = receive_secure(authority.server(true));
    let url = format!("syslog-tls://localhost:{port}");
    let mut rig = rig(&[secured(&url, authority.credentials())]);
    for hundred in 0..20 {
        rig.publish_logs("a", hundred * 100..(hundred + 1) * 100, 500);
    }
    rig.end(PATIENTLY).assert_lossless();
    let bytes = received();
    assert_eq!(numbers(&lines(&bytes)), (0..2000).collect::<Vec<_>>());
}

#[test]
fn a_peer_that_refuses_our_certificate_has_got_nothing() {
    let [authority, stranger] = [(); 2].map(|()| Authority::new());
    let credentials = Credentials {
        ca: authority.ca().into(),
        ..stranger.credentials()
    };
    let key = credentials.key.reveal().to_owned();
    let shown = refused(&authority, credentials);
    assert!(!shown.contains(&key), "{shown}");
}

#[test]
fn a_peer_that_misses_our_certificate_has_got_nothing() {
    let authority = Authority::new();
    let shown = refused(&authority, authority.trusts_us());
    assert!(shown.contains("there is none for it"), "{shown}");
}

/// A server that wants a certificate of `authority` gets no line with these credentials. Gives what
/// is shown then.
fn refused(authority: &Authority, credentials: Credentials) -> String {
    let (port, _received) = receive_secure(authority.server(true));
    let url = format!("syslog-tls://user:hush@localhost:{port}?token=hush");
    let mut rig = rig(&[secured(&url, credentials)]);
    rig.publish_logs("a", 0..10, 10);
    let session = rig.session(0);
    wait_until("a refusal", || session.note().contains("alert"));
    let shown = format!("{session:?} {:?}", rig.syslog);
    assert!(!shown.contains("hush"), "{shown}");
    let ended = rig.end(Duration::from_millis(50));
    ended.assert_balanced();
    assert_eq!(ended.count(0, SessionCounter::Gone), 10);
    shown
}

#[test]
fn a_bindings_ca_is_trusted_for_its_drain_alone() {
    let authority = Authority::new();
    let config = authority.server(false);
    let (port, received) = receive_secure(config.clone());
    let (other_port, _) = receive_secure(config);
    let url = |port| format!("syslog-tls://localhost:{port}");
    let mut rig = rig(&[
        secured(&url(port), authority.trusts_us()),
        secured(&url(other_port), Credentials::default()),
    ]);
    let first = rig.session(0);
    rig.publish_logs("a", 0..10, 10);
    wait_until("the first's lines", || {
        first.counters.get(SessionCounter::Delivered) == 10
    });
    let other = rig.session(1);
    wait_until("a refusal", || {
        other.note().contains("invalid peer certificate")
    });
    let ended = rig.end(Duration::from_millis(50));
    ended.assert_balanced();
    assert_eq!(ended.count(1, SessionCounter::Gone), 10);
    assert_eq!(lines(&received()).len(), 10);
}

#[test]
fn a_peer_that_does_not_shake_hands_is_not_waited_for_long() {
    let (listener, address) = listen();
    let patience = Patience {
        connect: Duration::from_millis(50),
        ..Default::default()
    };
    let url = format!("syslog-tls://{address}");
    let mut rig = rig_with(&[secured(&url, Credentials::default())], patience);
    rig.publish_logs("a", 0..10, 10);
    let session = rig.session(0);
    wait_until("an end of patience", || {
        session.note().contains("shaking hands")
    });
    let ended = rig.end(Duration::from_millis(50));
    ended.assert_balanced();
    drop(listener);
}

/// A request as it came: its head, and its body.
type Request = (String, String);

/// Reads a request and answers it; nothing at the connection's end.
fn answer(stream: &mut Stream, status: &str) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.parse().unwrap())
    });
    let mut body = vec![0; length.unwrap()];
    stream.read_exact(&mut body).ok()?;
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
    stream.write_all(answer.as_bytes()).ok()?;
    stream.flush().ok()?;
    Some((head, String::from_utf8(body).unwrap()))
}

#[test]
fn https_posts_each_line_over_one_connection() {
    let authority = Authority::new();
    let (port, requests) = serve(authority.server(false), |stream| {
        let requests: Vec<_> = (0..3).map_while(|_| answer(stream, "200 OK")).collect();
        (requests.len() == 3).then_some(requests)
    });
    let url = format!("https://us%20er:p%40ss@localhost:{port}/in?drain-data=logs&tok=abc");
    let mut rig = rig(&[secured(&url, authority.trusts_us())]);
    rig.publish_logs("a", 0..3, 0);
    let requests = requests();
    rig.end(PATIENTLY).assert_lossless();
    for (number, (head, body)) in requests.iter().enumerate() {
        let head = head.to_ascii_lowercase();
        for line in [
            "post /in?drain-data=logs&tok=abc http/1.1\r\n",
            &format!("\r\nhost: localhost:{port}\r\n"),
            "\r\ncontent-type: text/plain\r\n",
            "\r\nauthorization: basic dxmgzxi6cebzcw==\r\n",
        ] {
            assert!(head.contains(line), "{line:?} is not in {head:?}");
        }
        assert!(body.starts_with("<14>1 "), "{body:?}");
        assert!(body.ends_with(&format!(" {number} \n")), "{body:?}");
    }
}

#[test]
fn https_batch_posts_many_lines_at_once() {
    let authority = Authority::new();
    let (port, request) = serve(authority.server(false), |stream| {
        answer(stream, "204 No Content")
    });
    let url = format!("https-batch://localhost:{port}/in");
    let mut rig = rig(&[secured(&url, authority.trusts_us())]);
    rig.publish_logs("a", 0..50, 0);
    rig.publish_logs("a", 50..100, 0);
    let (_, body) = request();
    rig.end(PATIENTLY).assert_lossless();
    let lines: Vec<_> = body.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 100);
    assert!(lines.iter().all(|line| line.starts_with("<14>1 ")));
}

#[test]
fn a_refused_post_comes_again_and_is_lost_at_last() {
    let authority = Authority::new();
    let (port, refusals) = serve(authority.server(false), {
        let mut refusals = 0;
        move |stream| {
            answer(stream, "503 No")?;
            refusals += 1;
            // Then it takes what comes.
            (refusals == 5).then_some(refusals)
        }
    });
    let patience = Patience {
        refused: Duration::from_millis(1),
        ..Default::default()
    };
    let url = format!("https://localhost:{port}");
    let mut rig = rig_with(&[secured(&url, authority.trusts_us())], patience);
    let session = rig.session(0);
    rig.publish_logs("a", 0..1, 0);
    wait_until("a loss", || {
        session.counters.get(SessionCounter::Refused) == 1
    });
    assert!(session.error().starts_with("the drain answered 503"));
    // The next has its own time.
    rig.publish_logs("a", 1..2, 0);
    wait_until("a loss", || {
        session.counters.get(SessionCounter::Refused) == 2
    });
    rig.publish_logs("a", 2..3, 0);
    assert_eq!(refusals(), 5);
    let ended = rig.end(Duration::from_millis(50));
    ended.assert_balanced();
    assert_eq!(ended.count(0, SessionCounter::Gone), 1);
}

#[test]
fn what_an_https_drain_refuses_for_a_while_waits_on_disk() {
    let authority = Authority::new();
    let (open, is_open) = mpsc::channel();
    let (port, bodies) = serve(authority.server(false), {
        let (mut taken, mut is_open_now) = (String::new(), false);
        move |stream| {
            is_open_now = is_open_now || is_open.try_recv().is_ok();
            while is_open_now && taken.lines().count() < 1000 {
                taken.push_str(&answer(stream, "200 OK")?.1);
            }
            if !is_open_now {
                answer(stream, "503 No")?;
            }
            (taken.lines().count() == 1000).then(|| taken.clone())
        }
    });
    let directory = spool::Directory::new("https");
    let config = directory.config(&[]);
    let url = format!("https-batch://localhost:{port}");
    let bindings = [secured(&url, authority.trusts_us())];
    let mut rig = rig_of(&bindings, &config, Patience::default());
    let session = rig.session(0);
    rig.publish_logs("a", 0..1, 0);
    wait_until("a refusal", || session.error().contains("503"));
    rig.publish_to_disk(0, 1..1000);
    wait_until("the disk", || session.spool.lines() == 1000);
    open.send(()).unwrap();
    let bodies = bodies();
    rig.end(PATIENTLY).assert_lossless();
    let lines: Vec<_> = bodies.lines().collect();
    assert_eq!(numbers(&lines), (0..1000).collect::<Vec<_>>());
}
