//! The program as its users meet it: started as a process, on ports of the kernel's choice, told by
//! signals, spoken to over sockets. Peers that are not installed are skipped aloud.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod as_client;
mod bad_input;
mod certificates;
mod cf_client;
mod clients;
mod command_line;
mod drains;
mod emitters;
mod envelopes;
mod foundation;
mod grpc;
mod grpc_peer;
mod ledger;
mod log_cache;
mod log_cache_client;
mod many_clients;
mod process;
mod proxies;
mod reader;
mod real_emitter;
mod receivers;
mod roles;
mod spool;
mod spool_for_long;
mod zones;
