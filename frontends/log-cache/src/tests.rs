//! Nodes that keep sources together, asked over connections as their clients ask them.

mod away;
mod placement;
mod rig;
