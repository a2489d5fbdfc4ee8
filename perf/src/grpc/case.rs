//! Who reads over gRPC.

use super::reading::{Reader, count, open, time};
use crate::flow::balance::Wanted;
use crate::flow::error::FlowError;
use crate::flow::measured::{Count, Ends, Group, Measured, Timing};
use crate::flow::server::Service;
use clap::ValueEnum;
use hdrhistogram::Histogram;

/// Apps that a reader each asks for.
const APP_READERS: usize = 100;

/// Who serves and who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Case {
    /// Nobody reads.
    #[value(name = "readers-0")]
    Nobody,
    /// One firehose.
    #[value(name = "readers-1")]
    One,
    /// Four firehoses.
    #[value(name = "readers-4")]
    Four,
    /// One firehose and a hundred readers of an app each.
    #[value(name = "apps-100")]
    Apps,
    /// The bare service and its one reader.
    Bare,
    /// From when it is due at a sender until it is at a firehose, at a steady rate.
    Latency,
}

impl Case {
    /// Those that are measured by what they cost, in the order of the table.
    pub const COSTS: [Self; 5] = [Self::Bare, Self::Nobody, Self::One, Self::Four, Self::Apps];

    /// Who reads, given the number of apps.
    pub fn readers(self, apps: usize) -> Vec<Wanted> {
        let firehoses = match self {
            Self::Nobody => 0,
            Self::One | Self::Apps | Self::Bare | Self::Latency => 1,
            Self::Four => 4,
        };
        let mut readers = vec![Wanted::Firehose; firehoses];
        if self == Self::Apps {
            let app = |number| Wanted::App(number * apps / APP_READERS);
            readers.extend((0..APP_READERS).map(app));
        }
        readers
    }
}

impl Measured for Case {
    const BENCH: &'static str = "grpc";
    const ONE: Self = Self::One;
    const BARE: Self = Self::Bare;
    type Place = ();
    type Reader = Reader;

    fn name(self) -> &'static str {
        match self {
            Self::Nobody => "readers-0",
            Self::One => "readers-1",
            Self::Four => "readers-4",
            Self::Apps => "apps-100",
            Self::Bare => "bare",
            Self::Latency => "latency",
        }
    }

    fn service(self) -> Service {
        match self {
            Self::Bare => Service::BareGrpc,
            _ => Service::Grpc,
        }
    }

    fn place(self) -> Result<(), FlowError> {
        Ok(())
    }

    async fn open(self, server: &Ends, (): &()) -> Result<Vec<Group<Reader>>, FlowError> {
        open(server, &self.readers(server.apps)).await
    }

    async fn read(
        reader: Reader,
        received: Count,
        timing: Option<Timing>,
    ) -> Result<Histogram<u64>, FlowError> {
        match timing {
            Some(timing) => time(reader, received, timing).await,
            None => count(reader, received).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apps_are_spread_over_all() {
        let readers = Case::Apps.readers(10_000);
        assert_eq!(readers.len(), 101);
        assert_eq!(readers[0], Wanted::Firehose);
        assert_eq!(
            [readers[1], readers[100]],
            [Wanted::App(0), Wanted::App(9900)]
        );
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for case in Case::value_variants() {
            let value = case.to_possible_value().unwrap();
            assert_eq!(value.get_name(), case.name());
        }
    }
}
