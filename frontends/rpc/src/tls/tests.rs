mod loading;
mod peers;
mod reloading;
pub(crate) mod rig;
