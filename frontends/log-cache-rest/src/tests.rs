//! Both servers between their peers.

mod gateway;
mod node;
mod proxy;
mod rig;
