//! What the benches of the whole server share: envelopes in over gRPC from ready batches at a
//! steady rate, a server in a process of its own on a core of its own, senders and readers on
//! another core, accounts that must balance, and tables. Each module uses only those above it in
//! this list.

pub mod error;

pub mod schedule;

pub mod batches;

pub mod certificates;

pub mod counts;

pub mod drains;

pub mod balance;

pub mod wire;

pub mod reading;

pub mod bare_websocket;

pub mod bare_syslog;

pub mod bare;

pub mod server;

pub mod process;

pub mod sending;

pub mod measured;

pub mod run;

pub mod trial;

pub mod results;

pub mod options;
