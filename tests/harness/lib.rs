//! What the cases stand on: chance from a seed, envelopes good and bad, a second reader of them,
//! and a kernel that is simulated.

pub mod envelopes;
pub mod mutate;
pub mod random;
pub mod rig;
pub mod schema;
pub mod script;
pub mod sim;
pub mod source;
pub mod strict;
pub mod wire;
