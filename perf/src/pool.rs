//! Envelopes made ready before the clock starts: all of one size, side by side, so that a train of
//! datagrams or a write of frames is a slice.

use crate::samples::Sample;
use hydrant_engine::limits::{DATAGRAM_BYTES_MAX, FRAME_LENGTH_BYTES};

/// Apps and malformed periods up to this: the pool stays within a few megabytes.
pub const PERIOD_MAX: usize = 16_384;

/// Enough for the sender not to find its envelopes in the first-level cache.
const ENVELOPES_MIN: usize = 1024;

/// Field 1 with a wire type that does not exist: no generation reads it.
const MALFORMED: u8 = 0x0f;

/// What is in a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolConfig {
    /// The kind of envelope.
    pub sample: Sample,
    /// Bytes of an envelope, for the samples that have a line.
    pub bytes: usize,
    /// Sources.
    pub apps: usize,
    /// If not 0, the last of every so many envelopes is malformed.
    pub malformed_period: usize,
    /// Whether each envelope has its length in front, as TCP wants it.
    pub framed: bool,
}

/// Envelopes to be sent round and round.
///
/// **Invariant: the pool's length is a multiple of the malformed period**, so that the n-th
/// envelope sent is malformed just if the n-th place of the period is.
#[derive(Debug)]
pub struct Pool {
    bytes: Vec<u8>,
    stride: usize,
    count: usize,
    malformed_period: usize,
    framed: bool,
}

impl Pool {
    /// Builds all envelopes.
    ///
    /// # Errors
    /// Says which figure is out of its bounds.
    pub fn new(config: &PoolConfig) -> Result<Self, String> {
        check(config)?;
        let line = config
            .sample
            .line_bytes(config.bytes)
            .map_err(|error| error.to_string())?;
        Ok(Self::build(config, line))
    }

    fn build(config: &PoolConfig, line_bytes: usize) -> Self {
        let period = config.malformed_period.max(1);
        let count = ENVELOPES_MIN.max(config.apps).next_multiple_of(period);
        let mut bytes = Vec::new();
        for index in 0..count {
            let app = index % config.apps;
            let mut envelope = config.sample.encode(app, index, line_bytes);
            if config.malformed_period > 0 && (index + 1) % period == 0 {
                envelope[0] = MALFORMED;
            }
            if config.framed {
                let length = u32::try_from(envelope.len()).unwrap_or(u32::MAX);
                bytes.extend(length.to_le_bytes());
            }
            bytes.extend(envelope);
        }
        let stride = bytes.len() / count;
        assert_eq!(bytes.len(), stride * count, "all envelopes have one size");
        Self {
            bytes,
            stride,
            count,
            malformed_period: config.malformed_period,
            framed: config.framed,
        }
    }

    /// Envelopes in it; never 0.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Bytes of one on the wire, its length included where there is one.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Whether each has its length in front.
    pub fn is_framed(&self) -> bool {
        self.framed
    }

    /// `count` envelopes side by side, from the `first` on.
    pub fn slice(&self, first: usize, count: usize) -> &[u8] {
        &self.bytes[first * self.stride..(first + count) * self.stride]
    }

    /// How many of the first `sent` are malformed.
    pub fn malformed_of(&self, sent: u64) -> u64 {
        sent.checked_div(self.malformed_period as u64).unwrap_or(0)
    }
}

fn check(config: &PoolConfig) -> Result<(), String> {
    if !(1..=PERIOD_MAX).contains(&config.apps) {
        return Err(format!("{} apps: 1 to {PERIOD_MAX}", config.apps));
    }
    if config.malformed_period > PERIOD_MAX {
        let period = config.malformed_period;
        return Err(format!(
            "1 in {period} malformed: at most 1 in {PERIOD_MAX}"
        ));
    }
    if config.bytes > DATAGRAM_BYTES_MAX - 28 - FRAME_LENGTH_BYTES {
        return Err(format!("{} bytes do not fit a datagram", config.bytes));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_engine::decode::envelope;
    use hydrant_engine::record::SourceRule;

    const CONFIG: PoolConfig = PoolConfig {
        sample: Sample::LogV2,
        bytes: 250,
        apps: 10,
        malformed_period: 3,
        framed: true,
    };

    #[test]
    fn every_third_is_malformed_and_all_have_their_length_in_front() {
        let pool = Pool::new(&CONFIG).unwrap();
        assert_eq!(pool.stride(), 254);
        assert_eq!(pool.count() % 3, 0);
        let mut malformed = 0;
        for index in 0..pool.count() {
            let frame = pool.slice(index, 1);
            assert_eq!(frame[..4], [250, 0, 0, 0]);
            let outcome = envelope(&frame[4..], Sample::LogV2.version(), SourceRule::Origin);
            malformed += u64::from(outcome.is_err());
            assert_eq!(pool.malformed_of(index as u64 + 1), malformed);
        }
        assert!(malformed > 300);
    }

    #[test]
    fn without_a_period_nothing_is_malformed() {
        let config = PoolConfig {
            malformed_period: 0,
            framed: false,
            ..CONFIG
        };
        let pool = Pool::new(&config).unwrap();
        assert_eq!((pool.stride(), pool.malformed_of(1 << 40)), (250, 0));
    }

    #[test]
    fn figures_out_of_bounds_are_refused() {
        let refused = |config| Pool::new(&config).unwrap_err();
        assert!(refused(PoolConfig { apps: 0, ..CONFIG }).contains("0 apps"));
        assert!(
            refused(PoolConfig {
                bytes: 70_000,
                ..CONFIG
            })
            .contains("datagram")
        );
        assert!(refused(PoolConfig { bytes: 9, ..CONFIG }).contains("at least"));
        let malformed_period = PERIOD_MAX + 1;
        assert!(
            refused(PoolConfig {
                malformed_period,
                ..CONFIG
            })
            .contains("1 in 16385")
        );
    }
}
