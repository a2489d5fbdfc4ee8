//! The program as its users meet it: started as a process, on ports of the kernel's choice, told by
//! signals, spoken to over sockets. Peers that are not installed are skipped aloud.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_input;
mod certificates;
mod clients;
mod command_line;
mod emitters;
mod envelopes;
mod grpc;
mod grpc_peer;
mod ledger;
mod process;
mod proxies;
mod real_emitter;
mod roles;
mod rsyslog;
