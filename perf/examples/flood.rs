//! A gibibyte of Log Cache under twenty million envelopes of five thousand sources, one of which is a
//! flood: what the process takes, how full the store stays, and what quiet sources lose.

use hydrant_log_cache::Partitions;
use hydrant_log_cache::store::Bounds;
use hydrant_perf::mixes::{Generator, Mix};
use hydrant_perf::threads::resident_bytes_of_process;
use mimalloc::MiMalloc;
use std::io;
use std::iter::once;
use std::process::ExitCode;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const MEMORY_BYTES: usize = 1 << 30;
const ENVELOPES: usize = 20_000_000;
const SOURCES: usize = 5_000;
/// One of so many is of a quiet source.
const QUIET_PERIOD: usize = 10;
/// All of them in a quarter of an hour.
const STEP_NS: i64 = 45_000;
const BEGIN_NS: i64 = 1_700_000_000_000_000_000;

#[expect(clippy::print_stdout, reason = "a table")]
fn main() -> io::Result<ExitCode> {
    let partitions = Partitions::new(
        1,
        Bounds {
            memory_bytes: MEMORY_BYTES,
            count_per_source: u64::MAX,
        },
    );
    let mut generator = Generator::new(Mix::Foundation, 7, BEGIN_NS, STEP_NS);
    let (mut least, mut resident) = (None, 0);
    for number in 0..ENVELOPES {
        let source = match number % QUIET_PERIOD {
            0 => 1 + number / QUIET_PERIOD % (SOURCES - 1),
            _ => 0,
        };
        partitions.put(once(&generator.encode(source)));
        if number % 100_000 == 0 {
            let standing = partitions.standing();
            let is_full = standing.count < standing.taken;
            let lesser = least.is_none_or(|least| standing.memory_bytes < least);
            if is_full && lesser {
                least = Some(standing.memory_bytes);
            }
            resident = resident_bytes_of_process(std::process::id())?.max(resident);
        }
    }
    let (mut quiet, mut lost) = (0, 0);
    let mut flood = (0, 0);
    partitions.meta(|_, meta| {
        let kept = (meta.count, meta.expired);
        // Nobody else has so many.
        if meta.count + meta.expired > (ENVELOPES / 2) as u64 {
            flood = kept;
        } else {
            quiet += kept.0;
            lost += kept.1;
        }
    });
    let fill = least.unwrap_or(0) as f64 / MEMORY_BYTES as f64;
    let resident = resident as f64 / MEMORY_BYTES as f64;
    println!("{ENVELOPES} envelopes of {SOURCES} sources within {MEMORY_BYTES} bytes");
    println!(
        "quiet sources: {quiet} kept, {lost} lost; the flood: {} kept, {} lost",
        flood.0, flood.1
    );
    println!("fill once it was full: at least {:.1} %", fill * 100.0);
    println!(
        "resident memory: at most {:.1} % of the bound",
        resident * 100.0
    );
    let expected = (ENVELOPES / QUIET_PERIOD) as u64;
    let is_good = (quiet, lost) == (expected, 0) && fill >= 0.9 && resident <= 1.15;
    println!(
        "{}",
        if is_good {
            "as it should be"
        } else {
            "NOT as it should be"
        }
    );
    Ok(ExitCode::from(u8::from(!is_good)))
}
