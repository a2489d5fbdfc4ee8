//! Signs tokens as UAA does.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::Value;

/// A key that signs.
pub struct Signer {
    kid: String,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Signer {
    /// A secret that UAA and we share: HS256.
    pub fn secret(kid: &str, secret: &str) -> Self {
        Self {
            kid: kid.to_owned(),
            algorithm: Algorithm::HS256,
            key: EncodingKey::from_secret(secret.as_bytes()),
        }
    }

    /// An RSA key: RS256.
    ///
    /// # Panics
    /// It is no PEM of one.
    pub fn rsa(kid: &str, private_key_pem: &str) -> Self {
        Self {
            kid: kid.to_owned(),
            algorithm: Algorithm::RS256,
            key: EncodingKey::from_rsa_pem(private_key_pem.as_bytes()).expect("an RSA key"),
        }
    }

    /// A token of these claims.
    ///
    /// # Panics
    /// The key cannot sign.
    pub fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.kid.clone());
        encode(&header, claims, &self.key).expect("a key that signs")
    }

    /// The value of `Authorization` of somebody who has these scopes until 2100.
    pub fn bearer(&self, scopes: &[&str]) -> String {
        let claims = serde_json::json!({
            "scope": scopes, "exp": 4_102_444_800_u64, "aud": ["cf"], "user_name": "somebody",
        });
        format!("bearer {}", self.sign(&claims))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
