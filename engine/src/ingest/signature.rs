//! Shared-secret mode: dropsonde's HMAC-SHA256 in front of an envelope.

use crate::config::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A keyed HMAC, ready to be used again and again.
#[derive(Clone)]
pub(super) struct Signature(Hmac<Sha256>);

impl Signature {
    /// Keyed with the bytes of `secret`, as they are.
    pub(super) fn new(secret: &Secret) -> Self {
        let keyed = Hmac::<Sha256>::new_from_slice(secret.bytes());
        Self(keyed.unwrap_or_else(|_| unreachable!("HMAC takes keys of any length")))
    }

    /// Whether `prefix` is the HMAC of `envelope`; takes the same time wherever they differ.
    pub(super) fn is_of(&self, prefix: &[u8], envelope: &[u8]) -> bool {
        self.0
            .clone()
            .chain_update(envelope)
            .verify_slice(prefix)
            .is_ok()
    }
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signature(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vector 4 of the dropsonde reference: made by Metron, key "secret".
    #[test]
    fn metrons_own_vector() {
        let hex = |text: &str| -> Vec<u8> {
            text.as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect()
        };
        let envelope = hex(
            "0a066c6567616379100542200a0548656c6c6f100118f0cb94efd0acfb981322036170702a034170\
             70320130",
        );
        let mut prefix = hex("04e6c2e469fa765ba50c401c98b5b62928d8f397ea728ac0f7d50ec8df9e484a");
        let signature = Signature::new(&Secret::new("secret"));
        assert!(signature.is_of(&prefix, &envelope));
        assert!(!signature.is_of(&prefix, &envelope[1..]));
        assert!(!Signature::new(&Secret::new("other")).is_of(&prefix, &envelope));
        prefix[31] ^= 1;
        assert!(!signature.is_of(&prefix, &envelope));
    }
}
