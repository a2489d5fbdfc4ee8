//! Which cores get a shard.

use super::ConfigError;
use crate::limits::SHARDS_MAX;
use rustix::thread::{CpuSet, sched_getaffinity};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use std::fmt;
use std::str::FromStr;

/// A list of cores, or the choice left to us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cores(Option<Vec<usize>>);

/// The cores that this process may run on.
pub fn available_cores() -> Vec<usize> {
    match sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU)
            .filter(|core| set.is_set(*core))
            .collect(),
        Err(_) => vec![0],
    }
}

impl Cores {
    /// Just these cores.
    pub fn of(cores: &[usize]) -> Self {
        Self(Some(cores.to_vec()))
    }

    /// The cores to pin shards to, in order.
    ///
    /// # Errors
    /// Names the key and the first core that is not there, is there twice, or is one too many.
    pub fn resolve(&self) -> Result<Vec<usize>, ConfigError> {
        let available = available_cores();
        let Some(cores) = &self.0 else {
            let count = available.len().div_ceil(4).min(SHARDS_MAX);
            return Ok(available[..count].to_vec());
        };
        let problem = if cores.is_empty() {
            "no core is named".to_owned()
        } else if cores.len() > SHARDS_MAX {
            format!("{} cores; at most {SHARDS_MAX}", cores.len())
        } else if let Some(core) = cores.iter().find(|core| !available.contains(core)) {
            format!("core {core} is not available to this process (available: {available:?})")
        } else if let Some(core) = twice(cores) {
            format!("core {core} is named twice")
        } else {
            return Ok(cores.clone());
        };
        Err(ConfigError::new("engine.cores", problem))
    }
}

fn twice(cores: &[usize]) -> Option<usize> {
    cores
        .iter()
        .enumerate()
        .find(|(at, core)| cores[..*at].contains(core))
        .map(|(_, core)| *core)
}

impl FromStr for Cores {
    type Err = String;

    /// `"0-3"`, `"0,2,4-5"`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut cores = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| text.trim().parse::<usize>().ok();
            match (number(first), number(last)) {
                (Some(first), Some(last)) if first <= last && last < CpuSet::MAX_CPU => {
                    cores.extend(first..=last);
                }
                _ => {
                    return Err(format!(
                        "{part:?} is no core or range, such as \"0-3\" or \"0,2\""
                    ));
                }
            }
        }
        Ok(Self(Some(cores)))
    }
}

impl<'de> Deserialize<'de> for Cores {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CoresVisitor)
    }
}

struct CoresVisitor;

impl<'de> Visitor<'de> for CoresVisitor {
    type Value = Cores;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a range or list of cores, such as \"0-3\" or [0, 2]")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Cores, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Cores, A::Error> {
        let mut cores = Vec::new();
        while let Some(core) = list.next_element()? {
            cores.push(core);
        }
        Ok(Cores(Some(cores)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Table {
        cores: Cores,
    }

    fn parse(text: &str) -> Result<Cores, String> {
        toml::from_str::<Table>(text)
            .map(|table| table.cores)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn reads_ranges_and_lists() {
        assert_eq!(parse("cores = \"0-3\""), Ok(Cores::of(&[0, 1, 2, 3])));
        assert_eq!(parse("cores = \"5, 1-2\""), Ok(Cores::of(&[5, 1, 2])));
        assert_eq!(parse("cores = [4, 2]"), Ok(Cores::of(&[4, 2])));
        for bad in [
            "\"\"",
            "\"3-1\"",
            "\"a\"",
            "\"1-\"",
            "\"0-99999999\"",
            "[-1]",
            "true",
        ] {
            let error = parse(&format!("cores = {bad}")).unwrap_err();
            assert!(error.contains("line 1"), "{error}");
        }
    }

    #[test]
    fn a_core_that_is_not_there_or_twice_names_the_key() {
        let problem = |cores: &[usize]| Cores::of(cores).resolve().unwrap_err().to_string();
        let core = available_cores()[0];
        assert!(problem(&[1023]).starts_with("engine.cores: core 1023 is not available"));
        assert!(problem(&[core, core]).contains("named twice"));
        assert!(problem(&[]).contains("no core"));
        assert_eq!(Cores::of(&[core]).resolve(), Ok(vec![core]));
        assert!(!Cores::default().resolve().unwrap().is_empty());
    }
}
