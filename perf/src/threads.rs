//! What a thread of this process has cost, and time that two processes can compare.

use nix::time::{ClockId, clock_gettime};
use rustix::process::setpriority_process;
use std::time::Duration;
use std::{fs, io};

/// A thread's time so far, from `/proc/self/task/<tid>/schedstat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadTime {
    /// Nanoseconds on a core.
    pub cpu_ns: u64,
    /// Nanoseconds ready to run while something else had the core: other work on the machine.
    pub waited_ns: u64,
}

impl ThreadTime {
    /// The time since an earlier reading.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns.saturating_sub(earlier.cpu_ns),
            waited_ns: self.waited_ns.saturating_sub(earlier.waited_ns),
        }
    }
}

/// Lets other threads on the same core go first from now on. There is no way back without privileges.
///
/// # Errors
/// What the kernel said.
pub fn give_way() -> io::Result<()> {
    // In Linux the priority is a thread's, whatever POSIX says.
    setpriority_process(None, 19).map_err(io::Error::from)
}

/// The time of this process's thread with this name. A running thread's is some milliseconds
/// behind, a sleeping one's exact.
///
/// # Errors
/// If there is no such thread, or the kernel keeps no such statistics.
pub fn time_of(thread_name: &str) -> io::Result<ThreadTime> {
    for task in fs::read_dir("/proc/self/task")? {
        let place = task?.path();
        // Threads may end while we look.
        let Ok(name) = fs::read_to_string(place.join("comm")) else {
            continue;
        };
        if name.trim_end() == thread_name {
            return parse(&fs::read_to_string(place.join("schedstat"))?);
        }
    }
    let problem = format!("no thread is named {thread_name}");
    Err(io::Error::new(io::ErrorKind::NotFound, problem))
}

/// The time of all threads of a process that run now: of its whole life if none has ended.
///
/// # Errors
/// If there is no such process, or the kernel keeps no such statistics.
pub fn time_of_process(id: u32) -> io::Result<ThreadTime> {
    let mut sum = ThreadTime::default();
    for task in fs::read_dir(format!("/proc/{id}/task"))? {
        let time = parse(&fs::read_to_string(task?.path().join("schedstat"))?)?;
        sum.cpu_ns += time.cpu_ns;
        sum.waited_ns += time.waited_ns;
    }
    Ok(sum)
}

/// Bytes of memory that a process has now (`VmRSS`). What the kernel holds for its sockets is not in it.
///
/// # Errors
/// If there is no such process.
pub fn resident_bytes_of_process(id: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/status"))?;
    parse_resident(&text).ok_or_else(|| {
        let problem = format!("/proc/{id}/status does not say how much memory it has");
        io::Error::new(io::ErrorKind::InvalidData, problem)
    })
}

fn parse_resident(status: &str) -> Option<u64> {
    let mut lines = status.lines();
    let value = lines.find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Nanoseconds that a core has had nothing to do since the system's start, to 10 ms.
///
/// # Errors
/// If there is no such core, or no `/proc/stat`.
pub fn idle_ns_of_core(core: usize) -> io::Result<u64> {
    let text = fs::read_to_string("/proc/stat")?;
    parse_idle(&text, core).ok_or_else(|| {
        let problem = format!("/proc/stat does not say how long core {core} was idle");
        io::Error::new(io::ErrorKind::InvalidData, problem)
    })
}

/// The fourth and the fifth number: idle, and idle while a disk is waited for.
fn parse_idle(stat: &str, core: usize) -> Option<u64> {
    const TICK_NS: u64 = 10_000_000; // Of this file, whatever the kernel's own.
    let name = format!("cpu{core} ");
    let numbers = stat.lines().find_map(|line| line.strip_prefix(&name))?;
    let mut idle = numbers.split_whitespace().skip(3);
    let mut next = || idle.next()?.parse::<u64>().ok();
    Some((next()? + next()?) * TICK_NS)
}

fn parse(schedstat: &str) -> io::Result<ThreadTime> {
    let mut numbers = schedstat.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(cpu_ns)), Some(Ok(waited_ns))) => Ok(ThreadTime { cpu_ns, waited_ns }),
        _ => {
            let problem = format!("schedstat says {schedstat:?}");
            Err(io::Error::new(io::ErrorKind::InvalidData, problem))
        }
    }
}

/// The monotonic clock, which is one for all processes of a host; 0 on a kernel without it.
pub fn monotonic_nanos() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    #[test]
    fn a_threads_work_is_seen() {
        let (done, is_done) = mpsc::channel();
        let (end, may_end) = mpsc::channel::<()>();
        let worker = move || {
            let start = monotonic_nanos();
            while monotonic_nanos() - start < 20_000_000 {}
            done.send(()).unwrap();
            may_end.recv().unwrap();
        };
        let builder = thread::Builder::new().name("works-20ms".to_owned());
        let worker = builder.spawn(worker).unwrap();
        is_done.recv().unwrap();
        thread::sleep(Duration::from_millis(5));
        let time = time_of("works-20ms").unwrap();
        assert!(time.cpu_ns + time.waited_ns > 15_000_000, "{time:?}");
        let all = time_of_process(std::process::id()).unwrap();
        assert!(all.cpu_ns >= time.cpu_ns, "{all:?} {time:?}");
        end.send(()).unwrap();
        worker.join().unwrap();
        let error = time_of("works-20ms").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_cores_idle_time_is_its_own() {
        let stat = "cpu  9 9 9 9 9 9\ncpu0 1 2 3 4 5 6 7\ncpu10 0 0 0 7 1 0\ncpu1 1 1 1 x 1\n";
        assert_eq!(parse_idle(stat, 0), Some(90_000_000));
        assert_eq!(parse_idle(stat, 10), Some(80_000_000));
        assert_eq!(parse_idle(stat, 1), None);
        assert_eq!(parse_idle(stat, 2), None);
        let error = idle_ns_of_core(usize::MAX).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_process_has_memory() {
        let own = resident_bytes_of_process(std::process::id()).unwrap();
        assert!(own > 100_000, "{own}");
        let status = "VmSize:\t 9 kB\nVmRSS:\t    12 kB\n";
        assert_eq!(parse_resident(status), Some(12 * 1024));
        assert_eq!(parse_resident("VmSize:\t 9 kB\n"), None);
    }

    #[test]
    fn what_is_no_schedstat_is_an_error() {
        for text in ["1 x", "", "1"] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
        assert_eq!(
            parse("5 3 9\n").unwrap(),
            ThreadTime {
                cpu_ns: 5,
                waited_ns: 3
            }
        );
    }
}
