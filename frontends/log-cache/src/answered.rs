//! What a call is answered with.

use bytes::Bytes;
use hydrant_rpc::away::AWAY;
use hydrant_rpc::server::single;
use tonic::body::Body;
use tonic::codegen::http::{HeaderValue, Response};

/// A message, and who could not be asked for a part of it.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) message: Bytes,
    /// Addresses of nodes.
    pub(crate) away: Vec<String>,
}

impl Answered {
    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = single(&self.message);
        // Addresses come from the configuration and have been checked; one that is no header is not said.
        let away = HeaderValue::try_from(self.away.join(", "));
        if let Some(away) = away.ok().filter(|away| !away.is_empty()) {
            response.headers_mut().insert(AWAY, away);
        }
        response
    }
}

/// Everybody has answered who had to.
impl<M: Into<Bytes>> From<M> for Answered {
    fn from(message: M) -> Self {
        Self {
            message: message.into(),
            away: Vec::new(),
        }
    }
}
