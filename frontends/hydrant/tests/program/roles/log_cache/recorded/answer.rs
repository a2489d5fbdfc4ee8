//! An answer, over gRPC or HTTP, as far as a client sees it.

use super::shape;
use serde::Deserialize;
use sha1_smol::Sha1;

/// What is said. A body that is long is known by its length and its SHA-1.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    /// gRPC's code, or HTTP's status.
    pub(super) status: u16,
    /// gRPC's.
    #[serde(default)]
    pub(super) message: String,
    /// HTTP's, in order, names in lower case: those that say something about the answer.
    #[serde(default)]
    pub(super) headers: Vec<String>,
    #[serde(default)]
    pub(super) body: String,
    #[serde(default)]
    bytes: Option<usize>,
    #[serde(default)]
    sha1: Option<String>,
}

impl Answer {
    pub(super) fn new(status: u16, message: &str, headers: Vec<String>, body: String) -> Self {
        Self {
            status,
            message: message.to_owned(),
            headers,
            body,
            bytes: None,
            sha1: None,
        }
    }

    /// Samples in the order of their labels.
    pub(super) fn in_order(self) -> Self {
        let body = shape::in_order(&self.body);
        Self { body, ..self }
    }

    /// Whether this, which is recorded, is what was said.
    pub(super) fn is(&self, said: &Self) -> bool {
        let is_body = match &self.sha1 {
            None => self.body == said.body,
            Some(hash) => {
                self.bytes == Some(said.body.len())
                    && *hash == Sha1::from(&said.body).digest().to_string()
            }
        };
        is_body
            && (self.status, &self.message) == (said.status, &said.message)
            && self.headers == said.headers
    }
}
