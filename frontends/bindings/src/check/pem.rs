//! Whether credentials can be used for TLS. Dates are not looked at, as upstream does not: the other
//! end will.

use super::problem::Reason;
use crate::binding::Credentials;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// What is wrong, if anything is.
pub(super) fn wrong_with(credentials: &Credentials) -> Option<Reason> {
    let Credentials { cert, key, ca } = credentials;
    let has_identity = !cert.is_empty() && !key.is_empty();
    if has_identity && !is_pair(cert.reveal(), key.reveal()) {
        return Some(Reason::Certificate);
    }
    if !ca.is_empty() && !has_authority(ca.reveal()) {
        return Some(Reason::Authority);
    }
    None
}

/// Whether these are certificates and the key of the first one.
fn is_pair(cert: &str, key: &str) -> bool {
    let chain = CertificateDer::pem_slice_iter(cert.as_bytes());
    let Ok(chain) = chain.collect::<Result<Vec<_>, _>>() else {
        return false;
    };
    let Ok(key) = PrivateKeyDer::from_pem_slice(key.as_bytes()) else {
        return false;
    };
    let provider = aws_lc_rs::default_provider();
    !chain.is_empty() && CertifiedKey::from_der(chain, key, &provider).is_ok()
}

/// Whether there is a certificate among them. As upstream, one suffices.
fn has_authority(ca: &str) -> bool {
    let mut certificates = CertificateDer::pem_slice_iter(ca.as_bytes()).flatten();
    let mut store = RootCertStore::empty();
    certificates.any(|certificate| store.add(certificate).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn pair() -> [String; 2] {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["drain".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        [certificate.pem(), key.serialize_pem()]
    }

    fn wrong(cert: &str, key: &str, ca: &str) -> Option<Reason> {
        wrong_with(&Credentials {
            cert: cert.into(),
            key: key.into(),
            ca: ca.into(),
        })
    }

    #[test]
    fn certificate_and_key_must_fit() {
        let [[cert, key], [other, other_key]] = [pair(), pair()];
        assert_eq!(wrong(&cert, &key, ""), None);
        assert_eq!(wrong(&format!("{cert}{other}"), &key, ""), None);
        for (cert, key) in [
            (cert.as_str(), other_key.as_str()),
            (&key, &cert),
            ("none", &key),
            (&cert, "none"),
            (
                &cert,
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            ),
        ] {
            assert_eq!(wrong(cert, key, ""), Some(Reason::Certificate));
        }
        // One without the other is not used.
        assert_eq!(wrong("none", "", ""), None);
        assert_eq!(wrong("", "none", ""), None);
    }

    #[test]
    fn an_authority_must_be_among_the_cas() {
        let [cert, key] = pair();
        assert_eq!(wrong("", "", &cert), None);
        let not_first = format!("{key}{cert}");
        assert_eq!(wrong("", "", &not_first), None);
        for ca in ["none", key.as_str()] {
            assert_eq!(wrong("", "", ca), Some(Reason::Authority));
        }
    }
}
