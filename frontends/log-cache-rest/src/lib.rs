//! Log Cache over HTTP.

mod limits;

mod json;

mod answer;

mod failure;

mod path;

mod form;

mod parameters;

mod deadline;

mod state;

mod node;

mod serving;

mod start;

mod gateway;

mod promql;

mod proxy;

pub use gateway::{GatewayConfig, VERSION, start_gateway};
pub use proxy::{ProxyConfig, start_auth_proxy};
pub use serving::Report;
pub use start::{Server, StartError};
pub use state::{RestCounter, RestState};

#[cfg(test)]
mod tests;
