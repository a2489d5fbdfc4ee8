//! The feed of this host: the lanes from its shards.

use hydrant_engine::lanes::{LaneReader, Place};
use hydrant_engine::record::Record;
use hydrant_engine::route::DemandCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use tokio::io::unix::AsyncFd;

/// Records of a lane read at most in one go, so that a worker comes back to its sessions.
pub const BATCH_RECORDS_MAX: usize = 1024;

/// A frontend worker's lanes, waited for in a tokio runtime.
#[derive(Debug)]
pub struct Lanes {
    reader: LaneReader,
    bell: AsyncFd<OwnedFd>,
}

impl Lanes {
    /// Takes the lanes over. Call within the runtime that will wait for them.
    ///
    /// # Errors
    /// What the kernel said when asked to watch the bell.
    pub fn new(reader: LaneReader) -> io::Result<Self> {
        let descriptor = reader.as_fd().try_clone_to_owned()?;
        #[expect(
            deprecated,
            reason = "unsound only for types whose descriptor changes or closes early; an OwnedFd's \
                      does neither, and the new call is unsafe"
        )]
        let bell = AsyncFd::new(descriptor)?;
        Ok(Self { reader, bell })
    }

    /// Waits until there is something to read. False: every shard has stopped and all is read.
    pub async fn wait(&mut self) -> bool {
        loop {
            if self.reader.is_finished() {
                return false;
            }
            if !self.reader.sleep() {
                return true;
            }
            match self.bell.readable().await {
                Ok(mut ready) => ready.clear_ready(),
                Err(_) => return false, // The runtime is shutting down.
            }
            self.reader.awake();
        }
    }

    /// Gives a batch of records to `each`, in place. Returns how many.
    pub fn read(&mut self, each: impl FnMut(Place, Record<'_>)) -> usize {
        self.reader.read(BATCH_RECORDS_MAX, each)
    }

    /// Where to say what is wanted.
    pub fn demand(&self) -> DemandCell {
        self.reader.demand()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_engine::clock::UnixNanos;
    use hydrant_engine::lanes::connect;
    use hydrant_engine::record::{Header, Kind, SourceRule, Version};
    use hydrant_engine::route::{Demand, Routes};

    const HEADER: Header = Header {
        version: Version::V2,
        kind: Kind::Log,
        source_rule: SourceRule::DeploymentJob,
        source_hash: 0,
        received: UnixNanos(0),
    };

    #[test]
    fn sleeps_wakes_reads_and_ends() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut readers = [LaneReader::new().unwrap()];
        let mut shard = connect(&mut readers, 1 << 20);
        let [reader] = readers;
        let routes = {
            reader.publish_demand(Demand::all());
            Routes::new(&[reader.demand()])
        };
        let producer = std::thread::spawn(move || {
            for number in 0..100_u8 {
                std::thread::sleep(std::time::Duration::from_millis(u64::from(number % 3)));
                shard.publish(routes.of(&HEADER), &HEADER, &[number]);
                shard.commit();
            }
        });
        let mut seen = Vec::new();
        runtime.block_on(async {
            let mut lanes = Lanes::new(reader).unwrap();
            while lanes.wait().await {
                lanes.read(|place, record| {
                    assert_eq!((place.shard, place.sequence), (0, seen.len() as u64));
                    seen.push(record.envelope[0]);
                });
            }
        });
        producer.join().unwrap();
        assert_eq!(seen, (0..100).collect::<Vec<u8>>());
    }
}
