//! A node, and nodes that keep sources together, asked over connections as their clients ask them.

mod away;
mod calls;
mod placement;
mod rig;
