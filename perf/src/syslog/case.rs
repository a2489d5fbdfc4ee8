//! Which drains there are.

use super::receiving::{Reader, Receivers};
use crate::flow::balance::Wanted;
use crate::flow::drains::Health;
use crate::flow::error::FlowError;
use crate::flow::measured::{Count, Ends, Group, Measured, Place, Timing};
use crate::flow::schedule::histogram;
use crate::flow::server::Service;
use clap::ValueEnum;
use hdrhistogram::Histogram;
use std::time::Duration;

/// Who serves which drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Case {
    /// The bare server and its one drain.
    #[value(name = "bare")]
    Bare,
    /// One drain for every source.
    #[value(name = "aggregate")]
    Aggregate,
    /// A thousand apps' drains.
    #[value(name = "apps-1000")]
    Thousand,
    /// The same, one in a hundred dead or a black hole.
    #[value(name = "apps-1000-1%")]
    ThousandOne,
    /// The same, every other one.
    #[value(name = "apps-1000-50%")]
    ThousandHalf,
    /// Ten thousand apps' drains.
    #[value(name = "apps-10000")]
    TenThousand,
    /// The same, one in a hundred dead or a black hole.
    #[value(name = "apps-10000-1%")]
    TenThousandOne,
    /// The same, every other one.
    #[value(name = "apps-10000-50%")]
    TenThousandHalf,
}

impl Case {
    /// All, in the order of the table.
    pub const ALL: [Self; 8] = [
        Self::Bare,
        Self::Aggregate,
        Self::Thousand,
        Self::ThousandOne,
        Self::ThousandHalf,
        Self::TenThousand,
        Self::TenThousandOne,
        Self::TenThousandHalf,
    ];

    /// Apps that have a drain each, 0 if one drain has everything, and the percentage of those
    /// drains that are dead or black holes.
    pub const fn drains(self) -> (usize, usize) {
        match self {
            Self::Bare | Self::Aggregate => (0, 0),
            Self::Thousand => (1000, 0),
            Self::ThousandOne => (1000, 1),
            Self::ThousandHalf => (1000, 50),
            Self::TenThousand => (10_000, 0),
            Self::TenThousandOne => (10_000, 1),
            Self::TenThousandHalf => (10_000, 50),
        }
    }
}

impl Measured for Case {
    const BENCH: &'static str = "syslog";
    const ONE: Self = Self::Aggregate;
    const BARE: Self = Self::Bare;
    type Place = Receivers;
    type Reader = Reader;

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Aggregate => "aggregate",
            Self::Thousand => "apps-1000",
            Self::ThousandOne => "apps-1000-1%",
            Self::ThousandHalf => "apps-1000-50%",
            Self::TenThousand => "apps-10000",
            Self::TenThousandOne => "apps-10000-1%",
            Self::TenThousandHalf => "apps-10000-50%",
        }
    }

    fn service(self) -> Service {
        match self {
            Self::Bare => Service::BareSyslog,
            _ => Service::Syslog,
        }
    }

    fn place(self) -> Result<Receivers, FlowError> {
        let (apps, percent) = self.drains();
        Receivers::new(apps, apps * percent / 100)
    }

    /// Apps with a drain are all that there are.
    fn apps(self, asked: usize) -> usize {
        match self.drains() {
            (0, _) => asked,
            (apps, _) => apps,
        }
    }

    /// Thousands of drains have to be connected to, and black holes to be filled.
    fn warm_up(self, asked: Duration) -> Duration {
        asked * if self.drains().0 > 0 { 3 } else { 1 }
    }

    /// They come when there is a line for them.
    async fn open(self, _: &Ends, place: &Receivers) -> Result<Vec<Group<Reader>>, FlowError> {
        let readers = place.accept()?.into_iter();
        let drains = place.drains();
        let healthy = drains.iter().flat_map(|all| all.apps_of(Health::Healthy));
        let wanted = match self.drains() {
            (0, _) => vec![Wanted::Firehose],
            _ => healthy.map(Wanted::App).collect(),
        };
        let group = |(wanted, reader)| Group {
            wanted,
            members: vec![reader],
        };
        Ok(wanted.into_iter().zip(readers).map(group).collect())
    }

    /// Times nothing, whatever is asked: a line is hardly looked into.
    async fn read(
        reader: Reader,
        received: Count,
        _: Option<Timing>,
    ) -> Result<Histogram<u64>, FlowError> {
        reader.count(received).await?;
        Ok(histogram())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_how_many_and_are_those_of_the_command_line() {
        for case in Case::value_variants() {
            let value = case.to_possible_value().unwrap();
            assert_eq!(value.get_name(), case.name());
            let (apps, percent) = case.drains();
            let said = match percent {
                0 => format!("apps-{apps}"),
                _ => format!("apps-{apps}-{percent}%"),
            };
            assert!(apps == 0 || case.name() == said, "{said}");
            assert!(Case::ALL.contains(case));
        }
    }
}
