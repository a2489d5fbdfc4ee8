//! Valgrind on this very program.

use super::Case;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, io};

/// Why there is no count.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// The machine refused something.
    #[error("{0}: {1}")]
    Machine(&'static str, io::Error),
    /// Valgrind, or the program under it, failed.
    #[error("valgrind: {0}")]
    Valgrind(String),
}

/// Where valgrind is, if it is installed.
pub fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join("valgrind"))
        .find(|program| program.is_file())
}

/// Instructions an envelope, over `envelopes` of them. Leaves callgrind's profile in `profile`.
///
/// # Errors
/// [`CountError`].
pub fn count(
    valgrind: &Path,
    case: Case,
    envelopes: usize,
    profile: &Path,
) -> Result<f64, CountError> {
    let program = env::current_exe().map_err(machine("our own program"))?;
    let output = Command::new(valgrind)
        .arg("--tool=callgrind")
        .arg("--toggle-collect=hydrant_perf::icount::walk::path_of_a_batch*")
        .arg("--toggle-collect=hydrant_perf::icount::walk::turn_of_a_shard*")
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(program)
        .args(["walk", case.sample.name(), case.stretch.name()])
        .arg(envelopes.to_string())
        .stdin(Stdio::null())
        .output()
        .map_err(machine("valgrind"))?;
    let failed = |problem: &str| CountError::Valgrind(problem.to_owned());
    if !output.status.success() {
        return Err(failed(&String::from_utf8_lossy(&output.stderr)));
    }
    let walked: Option<u64> = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
    let walked = walked.ok_or_else(|| failed("the walk did not say how far it went"))?;
    let text = fs::read_to_string(profile).map_err(machine("callgrind's profile"))?;
    let instructions = total(&text).ok_or_else(|| failed("its profile has no totals"))?;
    if instructions == 0 {
        return Err(failed("it counted nothing; is the program stripped?"));
    }
    Ok(instructions as f64 / walked.max(1) as f64)
}

fn machine(what: &'static str) -> impl Fn(io::Error) -> CountError {
    move |error| CountError::Machine(what, error)
}

/// The sum of the profile.
fn total(profile: &str) -> Option<u64> {
    let total = |line: &str| line.strip_prefix("totals:")?.trim().parse().ok();
    profile.lines().find_map(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_found() {
        assert_eq!(
            total("events: Ir\nsummary: 5\nfn=(1)\n\ntotals: 4711\n"),
            Some(4711)
        );
        assert_eq!(total("events: Ir\n"), None);
    }
}
