//! The files that an agent of upstream's serves gRPC with, and proves itself with to others: the same
//! variables for the forwarder and the syslog agent.

use crate::roles::env::{Reader, Variable};
use crate::roles::log::Stamp;
use crate::roles::{Fatal, suites};
use hydrant_rpc::tls::TlsFiles;

/// Reads `AGENT_{CA,CERT,KEY}_FILE_PATH` and `AGENT_CIPHER_SUITES`, in the order of upstream's fields.
pub(super) fn read(reader: &mut Reader<'_>) -> TlsFiles {
    let must = |field, name| Variable::new(field, "string", name).reported().required();
    let ca_file = reader.path(must("GRPC.CAFile", "AGENT_CA_FILE_PATH"));
    let cert_file = reader.path(must("GRPC.CertFile", "AGENT_CERT_FILE_PATH"));
    let key_file = reader.path(must("GRPC.KeyFile", "AGENT_KEY_FILE_PATH"));
    let suites = Variable::new("GRPC.CipherSuites", "[]string", "AGENT_CIPHER_SUITES");
    TlsFiles {
        cert_file,
        key_file,
        ca_file,
        suites: reader.read(suites.reported(), Vec::new()),
    }
}

/// The files with the suites that are known.
///
/// # Errors
/// What upstream dies with: no suite is known, or a file cannot be used.
pub(super) fn checked(files: TlsFiles, stamp: Stamp) -> Result<TlsFiles, Fatal> {
    let suites = suites(&files.suites, stamp)?;
    let files = TlsFiles { suites, ..files };
    files.check().map_err(|error| {
        let problem = format_args!("failed to configure server TLS: {error}");
        Fatal::new(stamp, problem)
    })?;
    Ok(files)
}
