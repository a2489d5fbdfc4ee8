//! Certificates, and services that answer as a test says.

use crate::ServiceConfig;
use bytes::Bytes;
use http_body_util::Full;
use hydrant_http::{Limits, Stopper, Watch, serve, stopping};
use hydrant_rpc::tls::{ServerTls, TlsFiles};
use hyper::{Response, StatusCode};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of its own, removed at the end.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("hydrant-bindings-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// An authority and the files that it signs.
pub(super) struct Authority {
    pub(super) directory: Directory,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = named("authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self {
            directory: Directory::new(),
            pem,
            issuer,
        }
    }

    /// Certificate and key for `name`.
    pub(super) fn pair(&self, name: &str) -> [String; 2] {
        let key = KeyPair::generate().unwrap();
        let certificate = named(name).signed_by(&key, &self.issuer).unwrap();
        [certificate.pem(), key.serialize_pem()]
    }

    pub(super) fn files(&self, name: &str) -> TlsFiles {
        let [certificate, key] = self.pair(name);
        TlsFiles {
            cert_file: self.directory.write(&format!("{name}.crt"), &certificate),
            key_file: self.directory.write(&format!("{name}.key"), &key),
            ca_file: self.directory.write("ca.crt", &self.pem),
            suites: Vec::new(),
        }
    }

    /// How a client reaches a service whose certificate has this name.
    pub(super) fn service(&self, address: SocketAddr, server_name: &str) -> ServiceConfig {
        ServiceConfig {
            url: format!("https://{address}"),
            tls: Some(self.files("client")),
            server_name: server_name.to_owned(),
        }
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// What a fake says to a path with its query; nothing: it never answers.
pub(super) type Answer = dyn Fn(&str) -> Option<(u16, String)> + Send + Sync;

/// A service over mutual TLS.
pub(super) struct Fake {
    pub(super) address: SocketAddr,
    answer: Arc<Mutex<Arc<Answer>>>,
    pub(super) asked: Arc<Mutex<Vec<String>>>,
    pub(super) counts: Arc<Counts>,
    _stopper: Stopper,
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) tls_failed: AtomicUsize,
}

impl Watch for Counts {
    fn connection(&self) {}

    fn tls_failed(&self) {
        self.tls_failed.fetch_add(1, Ordering::SeqCst);
    }

    fn plain_http(&self) {}
}

impl Fake {
    pub(super) fn new(
        files: &TlsFiles,
        answer: impl Fn(&str) -> Option<(u16, String)> + Send + Sync + 'static,
    ) -> Self {
        let tls = ServerTls::load(files).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let answer: Arc<Mutex<Arc<Answer>>> = Arc::new(Mutex::new(Arc::new(answer)));
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let counts = Arc::<Counts>::default();
        let (stopper, stopping) = stopping();
        let (answers, questions, watch) = (answer.clone(), asked.clone(), counts.clone());
        let service = move |request: hyper::Request<_>, _| {
            let path = request.uri().path_and_query().unwrap().to_string();
            let answer = answers.lock().unwrap().clone();
            let said = answer(&path);
            questions.lock().unwrap().push(path);
            async move {
                let Some((status, body)) = said else {
                    return std::future::pending().await;
                };
                let mut response = Response::new(Full::new(Bytes::from(body)));
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                response
            }
        };
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let limits = Limits::new(64);
                serve(listener, Some(tls), limits, watch, service, stopping).await;
            });
        });
        Self {
            address,
            answer,
            asked,
            counts,
            _stopper: stopper,
        }
    }

    /// From now on it says this.
    pub(super) fn say(
        &self,
        answer: impl Fn(&str) -> Option<(u16, String)> + Send + Sync + 'static,
    ) {
        *self.answer.lock().unwrap() = Arc::new(answer);
    }

    /// How often something was asked for.
    pub(super) fn asked_for(&self, path: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| *asked == path).count()
    }
}

/// A binding as JSON.
pub(super) fn bound(url: &str, apps: &[&str]) -> Value {
    let apps = apps
        .iter()
        .map(|app| json!({"hostname": format!("org.space.{app}"), "app_id": app}));
    let apps: Vec<_> = apps.collect();
    json!({"url": url, "credentials": [{"cert": "", "key": "", "ca": "", "apps": apps}]})
}

/// Looks again and again until something holds.
pub(super) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "still waiting for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Lines that were reported.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    pub(super) fn report(&self) -> impl Fn(&str) + Send + Sync + 'static + use<> {
        let lines = self.0.clone();
        move |line| lines.lock().unwrap().push(line.to_owned())
    }

    pub(super) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn has(&self, text: &str) -> bool {
        self.all().iter().any(|line| line.contains(text))
    }
}

/// Replaces a file's content by another file's.
pub(super) fn replace(file: &Path, other: &Path) {
    fs::copy(other, file).unwrap();
}
