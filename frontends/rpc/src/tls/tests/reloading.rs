//! Certificates that change while we run.

use super::rig::{Authority, Directory, handshake, shown};
use crate::tls::{ClientTls, Reloader, ServerTls, TlsFiles};
use std::fs;
use std::sync::mpsc;
use std::time::{Duration, Instant};
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
