//! Hydrant as a program: configuration, wiring, the operator's endpoint, the command line.

pub mod config;

pub mod descriptors;

pub mod state;

pub mod ledger;

pub mod drains;
pub mod dump;

mod metrics;

pub mod operator;

pub mod server;

pub mod emit;

pub mod health;

pub mod lines;

pub mod client;

pub mod demo;

pub mod agent;

pub mod roles;

pub mod cli;
