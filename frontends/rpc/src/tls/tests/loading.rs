//! Files that can be used, and what is said of those that cannot.

use super::rig::{Authority, Directory, Leaf, named};
use crate::tls::{ClientTls, ServerTls, TlsError, TlsFiles, check_authorities};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair};
use std::path::PathBuf;

type Field = fn(&mut TlsFiles) -> &mut PathBuf;

/// Files with this certificate and key.
fn files(directory: &Directory, authority: &Authority, leaf: &Leaf, key_pem: &str) -> TlsFiles {
    TlsFiles {
        cert_file: directory.write("end.crt", &leaf.certificate),
        key_file: directory.write("end.key", key_pem),
        ca_file: directory.write("ca.crt", &authority.pem),
        suites: Vec::new(),
    }
}

fn dated(from: i32, until: i32) -> CertificateParams {
    let mut params = named("doppler");
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    params
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

#[test]
fn each_problem_is_told_by_the_name_of_its_file() {
    let directory = Directory::new();
    let authority = Authority::new("ca");
    let good = authority.files(&directory, "doppler");
    authority.files(&directory, "other");
    directory.write("empty", "nothing\n");
    directory.write("torn", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    directory.write("junk", &pem("CERTIFICATE", b"junk"));
    directory.write("junk.key", &pem("PRIVATE KEY", b"junk"));
    let cert: Field = |files| &mut files.cert_file;
    let key: Field = |files| &mut files.key_file;
    let ca: Field = |files| &mut files.ca_file;
    let cases: [(Field, &str, &str); 12] = [
        (cert, "missing", "cannot be read: No such file"),
        (key, "missing", "cannot be read: No such file"),
        (ca, "missing", "cannot be read: No such file"),
        (cert, "empty", "no certificate in it"),
        (ca, "empty", "no certificate in it"),
        (key, "empty", "no private key in it"),
        (key, "doppler.crt", "no private key in it"),
        (ca, "torn", "is not PEM: "),
        (cert, "junk", "the certificate cannot be used"),
        (ca, "junk", "the certificate cannot be used"),
        (key, "junk.key", "the private key cannot be used"),
        (key, "other.key", "the key does not fit the certificate of "),
    ];
    for (field, file, expected) in cases {
        let mut files = good.clone();
        *field(&mut files) = directory.path(file);
        let error = ServerTls::load(&files).unwrap_err().to_string();
        assert!(error.contains(&format!("{file}: {expected}")), "{error}");
        assert_eq!(ClientTls::load(&files, "a").unwrap_err().to_string(), error);
        assert_eq!(files.check().unwrap_err().to_string(), error);
    }
}

#[test]
fn files_are_checked_without_making_an_end_of_them() {
    let directory = Directory::new();
    let files = Authority::new("ca").files(&directory, "doppler");
    files.check().unwrap();
    check_authorities(&files.ca_file).unwrap();
    let error = check_authorities(&files.key_file).unwrap_err();
    assert!(matches!(error, TlsError::NoCertificate { .. }), "{error}");
}

#[test]
fn what_is_no_files_fault_is_told_too() {
    let directory = Directory::new();
    let mut files = Authority::new("ca").files(&directory, "doppler");
    let error = ClientTls::load(&files, "a b").unwrap_err();
    assert!(error.to_string().contains("\"a b\""), "{error}");
    files.suites = vec!["nonsense".to_owned()];
    let error = ServerTls::load(&files).unwrap_err();
    assert!(matches!(error, TlsError::NoSuites), "{error}");
}

#[test]
fn a_certificate_out_of_its_time_is_refused() {
    let directory = Directory::new();
    let authority = Authority::new("ca");
    let load = |params: CertificateParams| {
        let leaf = authority.sign(&params, KeyPair::generate().unwrap());
        let files = files(&directory, &authority, &leaf, &leaf.key.serialize_pem());
        ServerTls::load(&files).map(|_| ())
    };
    load(dated(2001, 4000)).unwrap();
    let error = load(dated(2001, 2002)).unwrap_err();
    assert!(matches!(error, TlsError::Expired { .. }), "{error}");
    assert!(
        error
            .to_string()
            .ends_with("end.crt: the certificate has expired")
    );
    let error = load(dated(3999, 4000)).unwrap_err();
    assert!(matches!(error, TlsError::NotYetValid { .. }), "{error}");
}

#[test]
fn keys_are_read_in_every_form() {
    let directory = Directory::new();
    let authority = Authority::new("ca");
    let rsa = authority.leaf("doppler");
    let curve = authority.sign(&named("doppler"), KeyPair::generate().unwrap());
    // PKCS#8 wraps the older forms behind heads of fixed lengths.
    let pkcs1 = pem("RSA PRIVATE KEY", &rsa.key.serialize_der()[26..]);
    let sec1 = pem("EC PRIVATE KEY", &curve.key.serialize_der()[29..]);
    for (leaf, key_pem) in [
        (&rsa, rsa.key.serialize_pem()),
        (&rsa, pkcs1),
        (&curve, curve.key.serialize_pem()),
        (&curve, sec1),
    ] {
        let files = files(&directory, &authority, leaf, &key_pem);
        ServerTls::load(&files).unwrap();
    }
}

#[test]
fn the_table_of_files_is_read() {
    let paths = "cert_file = 'a'\nkey_file = 'b'\nca_file = 'c'\n";
    let files: TlsFiles = toml::from_str(paths).unwrap();
    assert_eq!(files.cert_file.to_str(), Some("a"));
    assert_eq!(files.suites, Vec::<String>::new());
    let error = toml::from_str::<TlsFiles>(&format!("{paths}ca = 'd'\n")).unwrap_err();
    assert!(error.to_string().contains("`ca`"), "{error}");
    let error = toml::from_str::<TlsFiles>("cert_file = 'a'\nkey_file = 'b'\n").unwrap_err();
    assert!(error.to_string().contains("`ca_file`"), "{error}");
}
