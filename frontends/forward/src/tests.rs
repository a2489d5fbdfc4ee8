//! The frontend between lanes and sockets: what it sends to whom, and what it counts if it cannot.

mod breaking;
mod passing;
mod rig;
