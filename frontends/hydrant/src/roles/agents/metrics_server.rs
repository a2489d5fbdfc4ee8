//! Where an agent shows its metrics: the same variables for all of them.

use crate::roles::env::{Reader, Variable};
use hydrant_rpc::tls::TlsFiles;

/// The endpoint for scrapers, and the profiler's.
#[derive(Clone, Debug)]
pub struct MetricsServer {
    /// `METRICS_PORT`, on 127.0.0.1; 0 lets the kernel choose.
    pub port: u16,
    /// `METRICS_{CERT,KEY,CA}_FILE_PATH`.
    pub tls: TlsFiles,
    /// `PPROF_PORT`, on 127.0.0.1, if `DEBUG_METRICS` says so.
    pub pprof_port: Option<u16>,
}

impl MetricsServer {
    /// Reads its variables, in the order of upstream's fields.
    pub(super) fn read(reader: &mut Reader<'_>, default_port: u16) -> Self {
        let reported = |field, kind, name| Variable::new(field, kind, name).reported();
        let required = |field, name| reported(field, "string", name).required();
        let debug = reported("MetricsServer.DebugMetrics", "bool", "DEBUG_METRICS");
        let debug = reader.read(debug, false);
        let port = reported("MetricsServer.Port", "uint16", "METRICS_PORT");
        let port = reader.read(port, default_port);
        let pprof_port = reported("MetricsServer.PprofPort", "uint16", "PPROF_PORT");
        let pprof_port = reader.read(pprof_port, 0);
        let ca_file = reader.path(required("MetricsServer.CAFile", "METRICS_CA_FILE_PATH"));
        let cert_file = reader.path(required("MetricsServer.CertFile", "METRICS_CERT_FILE_PATH"));
        let key_file = reader.path(required("MetricsServer.KeyFile", "METRICS_KEY_FILE_PATH"));
        Self {
            port,
            tls: TlsFiles {
                cert_file,
                key_file,
                ca_file,
                suites: Vec::new(),
            },
            pprof_port: debug.then_some(pprof_port),
        }
    }
}
