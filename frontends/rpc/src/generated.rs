//! The stubs that the build script writes, under names of their own.
#![expect(
    unused_qualifications,
    clippy::default_constructed_unit_structs,
    clippy::too_many_lines,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]

/// `plumbing.Doppler`: v1 out.
pub mod doppler {
    include!(concat!(env!("OUT_DIR"), "/plumbing.Doppler.rs"));
    pub use doppler_client::DopplerClient;
    pub use doppler_server::{Doppler, DopplerServer};
}

/// `plumbing.DopplerIngestor`: v1 in.
pub mod doppler_ingestor {
    include!(concat!(env!("OUT_DIR"), "/plumbing.DopplerIngestor.rs"));
    pub use doppler_ingestor_client::DopplerIngestorClient;
    pub use doppler_ingestor_server::{DopplerIngestor, DopplerIngestorServer};
}

/// `loggregator.v2.Ingress`: v2 in.
pub mod ingress {
    include!(concat!(env!("OUT_DIR"), "/loggregator.v2.Ingress.rs"));
    pub use ingress_client::IngressClient;
    pub use ingress_server::{Ingress, IngressServer};
}

/// `loggregator.v2.Egress`: v2 out.
pub mod egress {
    include!(concat!(env!("OUT_DIR"), "/loggregator.v2.Egress.rs"));
    pub use egress_client::EgressClient;
    pub use egress_server::{Egress, EgressServer};
}

/// Log Cache's services, package `logcache.v1`.
pub mod logcache {
    /// `logcache.v1.Ingress`: envelopes in.
    pub mod ingress {
        include!(concat!(env!("OUT_DIR"), "/logcache.v1.Ingress.rs"));
        pub use ingress_client::IngressClient;
        pub use ingress_server::{Ingress, IngressServer};
    }

    /// `logcache.v1.Egress`: envelopes and their sources out.
    pub mod egress {
        include!(concat!(env!("OUT_DIR"), "/logcache.v1.Egress.rs"));
        pub use egress_client::EgressClient;
        pub use egress_server::{Egress, EgressServer};
    }

    /// `logcache.v1.PromQLQuerier`: answers to queries.
    pub mod promql {
        include!(concat!(env!("OUT_DIR"), "/logcache.v1.PromQLQuerier.rs"));
        pub use prom_q_l_querier_client::PromQLQuerierClient;
        pub use prom_q_l_querier_server::{PromQLQuerier, PromQLQuerierServer};
    }
}
