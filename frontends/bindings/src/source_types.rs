//! Which logs a drain wants, by the kind of component that wrote them: upstream's
//! `include-source-types` and `exclude-source-types` (loggregator-agent-release from 2026 on).

use std::fmt;

/// A kind of component that writes logs: the first part of the tag `source_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceType(&'static str);

/// Every source type that Cloud Foundry documents.
const KNOWN: [&str; 11] = [
    "API", "STG", "RTR", "LGR", "APP", "SSH", "CELL", "PROXY", "HEALTH", "SYS", "STATS",
];

/// Which logs a drain gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum SourceTypes {
    /// All.
    #[default]
    All,
    /// Those of these types; not those without a type.
    Only(Vec<SourceType>),
    /// All but those of these types.
    AllBut(Vec<SourceType>),
}

/// Why a filter cannot be used. The texts repeat no more of the URL than the wrong type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceTypesError {
    /// Both parameters are there.
    #[error("include-source-types and exclude-source-types cannot be used at the same time")]
    Both,
    /// Types that nobody knows.
    #[error(
        "unknown source types `{0}`: known are API, STG, RTR, LGR, APP, SSH, CELL, PROXY, HEALTH, SYS and STATS"
    )]
    Unknown(String),
}

impl SourceType {
    fn named(name: &str) -> Option<Self> {
        let mut known = KNOWN.iter();
        known
            .find(|known| known.eq_ignore_ascii_case(name))
            .map(|known| Self(known))
    }
}

impl fmt::Display for SourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl SourceTypes {
    /// Reads the two parameters' values, which are lists with commas; empty ones are none.
    ///
    /// # Errors
    /// Both are there, or one names a type that is not known.
    pub fn parse(include: &str, exclude: &str) -> Result<Self, SourceTypesError> {
        match (include, exclude) {
            ("", "") => Ok(Self::All),
            (include, "") => list(include).map(Self::Only),
            ("", exclude) => list(exclude).map(Self::AllBut),
            _ => Err(SourceTypesError::Both),
        }
    }

    /// Whether a log with this tag `source_type` (empty if it has none) is wanted. What is before
    /// the first slash counts, letter for letter: `APP/PROC/WEB` is of `APP`.
    #[must_use]
    pub fn want(&self, source_type: &str) -> bool {
        let first = source_type.split('/').next().unwrap_or_default();
        let is_in = |types: &[SourceType]| types.iter().any(|known| known.0 == first);
        match self {
            Self::All => true,
            Self::Only(types) => is_in(types),
            Self::AllBut(types) => !is_in(types),
        }
    }
}

fn list(names: &str) -> Result<Vec<SourceType>, SourceTypesError> {
    let names = || names.split(',').map(str::trim);
    let unknown = names().filter(|name| SourceType::named(name).is_none());
    let unknown: Vec<_> = unknown.collect();
    if unknown.is_empty() {
        Ok(names().filter_map(SourceType::named).collect())
    } else {
        Err(SourceTypesError::Unknown(unknown.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(include: &str, exclude: &str) -> Vec<&'static str> {
        let types = SourceTypes::parse(include, exclude).unwrap();
        let tags = ["APP/PROC/WEB/0", "RTR", "rtr", "APPS", "", "/APP", "OTHER"];
        tags.into_iter().filter(|tag| types.want(tag)).collect()
    }

    #[test]
    fn a_list_chooses_by_the_first_part() {
        assert_eq!(wanted("", "").len(), 7);
        assert_eq!(wanted("app, rtr", ""), ["APP/PROC/WEB/0", "RTR"]);
        let others = ["RTR", "rtr", "APPS", "", "/APP", "OTHER"];
        assert_eq!(wanted("", "App"), others);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let error = |include, exclude| SourceTypes::parse(include, exclude).unwrap_err();
        assert_eq!(error("app", "rtr"), SourceTypesError::Both);
        assert_eq!(
            error("", "app,x,,y"),
            SourceTypesError::Unknown("x, , y".to_owned())
        );
        for name in KNOWN {
            SourceTypes::parse(&name.to_lowercase(), "").unwrap();
        }
    }
}
