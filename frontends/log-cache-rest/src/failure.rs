//! Why a request has no result: a code of gRPC and a message, which HTTP has a status for.

use crate::answer::{Answer, add_grpc_headers, json};
use crate::json;
use hyper::StatusCode;
use tonic::Code;

/// What is told to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: String,
    /// Whether the node had begun an answer, which grpc-gateway says in a header.
    is_after_headers: bool,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::invalid(message)
    }
}

/// In which form it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As protobuf's `Status`.
    Grpc,
    /// As Prometheus tells errors.
    Prometheus,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        let is_after_headers = false;
        Self {
            code,
            message,
            is_after_headers,
        }
    }

    /// The node had begun its answer.
    pub(crate) fn after_headers(mut self) -> Self {
        self.is_after_headers = true;
        self
    }

    /// The request makes no sense.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// A text that protobuf cannot have.
    pub(crate) fn not_utf8() -> Self {
        let message = "grpc: error while marshaling: string field contains invalid UTF-8";
        Self::new(Code::Internal, message)
    }

    /// The whole answer.
    pub(crate) fn answer(&self, form: Form) -> Answer {
        let body = match form {
            Form::Grpc => json::status(self.code.into(), &self.message),
            Form::Prometheus => json::error("internal", &self.message),
        };
        let mut answer = json(self.status(), body);
        if self.is_after_headers {
            add_grpc_headers(&mut answer);
        }
        answer
    }

    /// As grpc-gateway has it.
    fn status(&self) -> StatusCode {
        let number = match self.code {
            Code::Ok => 200,
            Code::Cancelled => 499,
            Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
            Code::Unauthenticated => 401,
            Code::PermissionDenied => 403,
            Code::NotFound => 404,
            Code::AlreadyExists | Code::Aborted => 409,
            Code::ResourceExhausted => 429,
            Code::Unimplemented => 501,
            Code::Unavailable => 503,
            Code::DeadlineExceeded => 504,
            Code::Unknown | Code::Internal | Code::DataLoss => 500,
        };
        StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_status_of_grpc_gateway() {
        let expected = [
            200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
        ];
        for (code, expected) in (0..).zip(expected) {
            let failure = Failure::new(Code::from_i32(code), "");
            assert_eq!(failure.status().as_u16(), expected, "{code}");
            assert_eq!(failure.answer(Form::Grpc).status().as_u16(), expected);
        }
    }
}
