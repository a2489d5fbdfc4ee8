//! Certificates that change while we run.

use super::rig::{Authority, Directory, handshake, named, shown};
use crate::tls::{ClientTls, Reloader, ServerTls, TlsFiles};
use rcgen::KeyPair;
use std::fs;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PATIENCE: Duration = Duration::from_secs(10);

fn rotate(authority: &Authority, files: &TlsFiles) {
    let leaf = authority.leaf("doppler");
    fs::write(&files.cert_file, leaf.certificate).unwrap();
    fs::write(&files.key_file, leaf.key.serialize_pem()).unwrap();
}

fn wait_until(what: &str, is_done: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_done() {
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn new_certificates_are_for_new_connections() {
    let directory = Directory::new();
    let authority = Authority::new("ca");
    let files = authority.files(&directory, "doppler");
    let server = ServerTls::load(&files).unwrap();
    let client = ClientTls::load(&files, "doppler").unwrap();
    let reloader = Reloader::start(|error| panic!("{error}")).unwrap();
    reloader.watch_server(&server.clone());
    reloader.watch_client(&client.clone());

    let (far, near) = handshake(&server, &client).await;
    let (mut far, mut near) = (far.unwrap(), near.unwrap());
    let old = shown(&near);
    rotate(&authority, &files);
    reloader.reload_all();
    assert_eq!(reloader.reloads(), 2);

    let (_, newer) = handshake(&server, &client).await;
    assert_ne!(shown(&newer.unwrap()), old);
    far.write_all(b"still here").await.unwrap();
    far.flush().await.unwrap();
    let mut heard = [0; 10];
    near.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"still here");
    assert_eq!(reloader.failures(), 0);
}

#[tokio::test]
async fn files_that_changed_are_read_by_themselves() {
    let directory = Directory::new();
    let authority = Authority::new("ca");
    let files = authority.files(&directory, "doppler");
    let server = ServerTls::load(&files).unwrap();
    let client = ClientTls::load(&files, "doppler").unwrap();
    let (report, reports) = mpsc::channel();
    let reloader = Reloader::start(move |error| report.send(error.to_string()).unwrap()).unwrap();
    reloader.watch_server(&server);
    let before = shown(&handshake(&server, &client).await.1.unwrap());

    let key = fs::read(&files.key_file).unwrap();
    fs::write(&files.key_file, "no key").unwrap();
    let report = reports.recv_timeout(PATIENCE).unwrap();
    assert!(report.contains("doppler.key: no private key"), "{report}");
    wait_until("the failure counts", || reloader.failures() == 1);
    let kept = shown(&handshake(&server, &client).await.1.unwrap());
    assert_eq!(kept, before);

    fs::write(&files.key_file, key).unwrap();
    wait_until("the old key is back", || reloader.reloads() == 1);
    // As a rotation by rename would be.
    let authority_of_clients = directory.write("new-ca.crt", &Authority::new("other").pem);
    fs::rename(authority_of_clients, &files.ca_file).unwrap();
    wait_until("the new CA is there", || reloader.reloads() == 2);
    let (refused, _) = handshake(&server, &client).await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("UnknownIssuer"), "{error}");
    reports.try_recv().unwrap_err(); // None but the one.
}

#[tokio::test]
async fn a_certificate_that_begins_soon_is_taken_when_it_begins() {
    let directory = Directory::new();
    let authority = Authority::new("ca");
    let files = authority.files(&directory, "doppler");
    let server = ServerTls::load(&files).unwrap();
    let client = ClientTls::load(&files, "doppler").unwrap();
    let (report, reports) = mpsc::channel();
    let reloader = Reloader::start(move |error| report.send(error.to_string()).unwrap()).unwrap();
    reloader.watch_server(&server);
    let before = shown(&handshake(&server, &client).await.1.unwrap());

    let mut params = named("doppler");
    params.not_before = (SystemTime::now() + Duration::from_secs(4)).into();
    // With the key that is there, and by rename: the files change once.
    let key = KeyPair::from_pem(&fs::read_to_string(&files.key_file).unwrap()).unwrap();
    let newer = directory.write("newer.crt", &authority.sign(&params, key).certificate);
    fs::rename(newer, &files.cert_file).unwrap();
    wait_until("it has begun", || reloader.reloads() == 1);
    let after = shown(&handshake(&server, &client).await.1.unwrap());
    assert_ne!(after, before);
    let reports: Vec<_> = reports.try_iter().collect();
    assert!(reports.len() <= 1, "{reports:?}");
    let of_dates = |report: &String| report.ends_with("the certificate is not valid yet");
    assert!(reports.iter().all(of_dates), "{reports:?}");
}
