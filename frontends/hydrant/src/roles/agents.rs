//! The roles of loggregator-agent-release that take envelopes in on every host and send them on: their
//! variables, and what they mean.

mod downstream;
mod forwarder;
mod identity;
mod loggregator;
mod metrics_server;
mod syslog;
mod udp;

pub use downstream::{Downstream, DownstreamError};
pub use forwarder::ForwarderSettings;
pub use loggregator::LoggregatorSettings;
pub use metrics_server::MetricsServer;
pub use syslog::{Cache, SyslogSettings};
pub use udp::UdpSettings;
