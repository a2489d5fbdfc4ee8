//! Tokens of clients of the proxy.

use hydrant_access::fakes::{FakeApi, FakeUaa, Signer};
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use serde::Deserialize;
use serde_json::Value;

/// Those to whom the Cloud Controller shows apps.
const DEVELOPERS: [&str; 4] = ["developer", "lower", "two-spaces", "bare"];

/// What stands in `Authorization`: the prefix, and a token that is given or made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    name: String,
    prefix: String,
    raw: Option<String>,
    alg: Option<String>,
    #[serde(default)]
    kid: String,
    /// Signed by a key that is not UAA's.
    #[serde(default)]
    wrong: bool,
    #[serde(default)]
    claims: Value,
}

impl Token {
    /// Signs all of them. UAA knows the key then, and the Cloud Controller who may see apps; gives
    /// what stands in requests for each, and what takes its place.
    pub(super) fn publish(all: &[Self], uaa: &FakeUaa, api: &FakeApi) -> Vec<(String, String)> {
        let [key, other] = [(), ()].map(|()| KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap());
        let public = key.public_key_pem();
        uaa.publish("key-1", "RS256", &public);
        let value = |token: &Self| {
            let kid = &token.kid;
            let signer = match token.alg.as_deref() {
                None => return format!("{}{}", token.prefix, token.raw.as_deref().unwrap()),
                // Signed with what everybody may know.
                Some("HS256") => Signer::secret(kid, &public),
                _ if token.wrong => Signer::rsa(kid, &other.serialize_pem()),
                _ => Signer::rsa(kid, &key.serialize_pem()),
            };
            format!("{}{}", token.prefix, signer.sign(&token.claims))
        };
        let values = all.iter().map(|token| {
            let value = value(token);
            if DEVELOPERS.contains(&token.name.as_str()) {
                api.know(&value);
            }
            (format!("{{{}}}", token.name), value)
        });
        values.collect()
    }
}
