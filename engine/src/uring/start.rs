//! Making a ring, and saying in one line why it cannot be made.

use io_uring::IoUring;
use std::io;

/// Why there is no ring, with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// `io_uring_setup` does not exist.
    #[error("io_uring is not available: the kernel has none; Hydrant needs Linux 6.1 or newer")]
    Missing,
    /// The kernel lacks something that came with 6.1.
    #[error(
        "io_uring is too old: SINGLE_ISSUER and DEFER_TASKRUN are refused; Hydrant needs Linux 6.1 or newer"
    )]
    TooOld,
    /// Somebody forbids it.
    #[error(
        "io_uring is forbidden here: set the sysctl kernel.io_uring_disabled to 0, or allow \
         io_uring_setup, io_uring_enter and io_uring_register in the container's seccomp profile"
    )]
    Forbidden,
    /// Locked memory is limited.
    #[error("io_uring gets no memory: raise the limit on locked memory (ulimit -l, LimitMEMLOCK=)")]
    Memory,
    /// A later step failed.
    #[error("io_uring refuses {what}: {error}")]
    Setup {
        /// Which step.
        what: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
}

impl RingError {
    pub(super) fn setup(what: &'static str, error: io::Error) -> Self {
        Self::Setup { what, error }
    }

    fn of(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENOSYS) => Self::Missing,
            Some(libc::EINVAL) => Self::TooOld,
            Some(libc::EPERM | libc::EACCES) => Self::Forbidden,
            Some(libc::ENOMEM) => Self::Memory,
            _ => Self::setup("a ring", error),
        }
    }
}

/// Whether a ring of our kind can be had at all.
///
/// # Errors
/// Why not, with the remedy.
pub fn probe() -> Result<(), RingError> {
    build(8, 16).map(|_| ())
}

/// A ring of one thread, which takes its completions only when it waits.
pub(super) fn build(submissions: u32, completions: u32) -> Result<IoUring, RingError> {
    IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_coop_taskrun()
        .setup_taskrun_flag()
        .setup_submit_all()
        .setup_cqsize(completions)
        .build(submissions)
        .map_err(RingError::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_names_its_remedy() {
        let text = |code| RingError::of(io::Error::from_raw_os_error(code)).to_string();
        assert!(text(libc::ENOSYS).contains("Linux 6.1"));
        assert!(text(libc::EINVAL).contains("Linux 6.1"));
        assert!(text(libc::EPERM).contains("kernel.io_uring_disabled"));
        assert!(text(libc::EPERM).contains("seccomp"));
        assert!(text(libc::ENOMEM).contains("ulimit -l"));
        assert!(text(libc::EMFILE).contains("refuses a ring"));
        assert!(!text(libc::EPERM).contains('\n'));
    }
}
