//! The whole gateway against a provider, a UAA and a Cloud Controller of our own making.

mod access;
mod certificates;
mod client;
mod logging;
mod provider;
mod refusals;
mod rig;
mod streams;
mod tls;
