//! The memory plan: what the engine takes, counted out at the start and then held.

use super::{ConfigError, EngineConfig, UDP_BUFFER_BYTES};
use crate::limits::{FRAME_BYTES_MAX, FRAME_LENGTH_BYTES};
use bytesize::ByteSize;
use std::fmt;

/// A line of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanItem {
    /// The key that decides it.
    pub key: &'static str,
    /// The sum, in words.
    pub what: String,
    /// Its bytes.
    pub bytes: u64,
}

/// All lines of the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryPlan {
    items: Vec<PlanItem>,
}

impl MemoryPlan {
    pub(super) fn of(
        config: &EngineConfig,
        lane_count: usize,
        intake_count: usize,
    ) -> Result<Self, ConfigError> {
        let shards = config.shard_cores()?.len() as u64;
        let producers = shards + intake_count as u64;
        let mut plan = Self::default();
        plan.add(
            "engine.lane_bytes",
            format!("{producers} shards × {lane_count} lanes"),
            (producers * lane_count as u64).saturating_mul(config.lane_bytes.as_u64()),
        );
        plan.add(
            "engine.udp_buffers",
            format!("{shards} shards × {} buffers", config.udp_buffers),
            shards * u64::from(config.udp_buffers) * UDP_BUFFER_BYTES as u64,
        );
        plan.add(
            "engine.tcp_buffers",
            format!("{shards} shards × {} buffers", config.tcp_buffers),
            shards * u64::from(config.tcp_buffers) * config.tcp_buffer_bytes.as_u64(),
        );
        plan.add(
            "engine.connections_max",
            format!(
                "{shards} shards × {} partial frames, at most",
                config.connections_max
            ),
            shards
                * u64::from(config.connections_max)
                * (FRAME_LENGTH_BYTES + FRAME_BYTES_MAX) as u64,
        );
        plan.fits(config.memory_max)
    }

    /// Adds a frontend's line.
    pub fn add(&mut self, key: &'static str, what: String, bytes: u64) {
        self.items.push(PlanItem { key, what, bytes });
    }

    /// The plan, if it fits.
    ///
    /// # Errors
    /// Names the key of the largest line.
    pub fn fits(self, memory_max: ByteSize) -> Result<Self, ConfigError> {
        let Some(largest) = self.items.iter().max_by_key(|item| item.bytes) else {
            return Ok(self);
        };
        if self.total_bytes() <= memory_max.as_u64() {
            return Ok(self);
        }
        let problem = format!(
            "{} make {}, and the whole plan {}, above engine.memory_max = {}",
            largest.what,
            ByteSize::b(largest.bytes).display().iec(),
            ByteSize::b(self.total_bytes()).display().iec(),
            memory_max.display().iec(),
        );
        Err(ConfigError::new(largest.key, problem))
    }

    /// The lines.
    pub fn items(&self) -> &[PlanItem] {
        &self.items
    }

    /// The sum.
    pub fn total_bytes(&self) -> u64 {
        self.items
            .iter()
            .fold(0, |sum, item| sum.saturating_add(item.bytes))
    }
}

impl fmt::Display for MemoryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for PlanItem { key, what, bytes } in &self.items {
            let size = ByteSize::b(*bytes).display().iec().to_string();
            writeln!(f, "  {size:>10}  {key:<24} {what}")?;
        }
        let total = ByteSize::b(self.total_bytes()).display().iec().to_string();
        write!(f, "  {total:>10}  in all")
    }
}
