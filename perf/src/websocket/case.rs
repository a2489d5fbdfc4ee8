//! Who reads over WebSocket.

use super::reading::Reader;
use crate::flow::balance::Wanted;
use crate::flow::error::FlowError;
use crate::flow::measured::{Count, Ends, Group, Measured, Timing};
use crate::flow::reading::Buffer;
use crate::flow::schedule::histogram;
use crate::flow::server::Service;
use clap::ValueEnum;
use hdrhistogram::Histogram;

/// Members of a firehose that is shared.
const MEMBERS: usize = 10;
/// Apps that a reader each asks for.
const APP_READERS: usize = 1000;

/// Who serves and who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Case {
    /// The bare server and its one reader.
    #[value(name = "bare")]
    Bare,
    /// Nobody reads.
    #[value(name = "nobody")]
    Nobody,
    /// One firehose.
    #[value(name = "firehose-1")]
    One,
    /// Ten readers of one firehose.
    #[value(name = "firehose-10")]
    Ten,
    /// One firehose, and the stream of one app.
    #[value(name = "firehose-1+app")]
    OneAndApp,
    /// The streams of a thousand apps.
    #[value(name = "apps-1000")]
    Apps,
}

impl Case {
    /// All, in the order of the table.
    pub const ALL: [Self; 6] = [
        Self::Bare,
        Self::Nobody,
        Self::One,
        Self::OneAndApp,
        Self::Ten,
        Self::Apps,
    ];

    /// What each group wants, and how many members it has, given the number of apps.
    pub fn groups(self, apps: usize) -> Vec<(Wanted, usize)> {
        let app = |number| (Wanted::App(number * apps / APP_READERS), 1);
        match self {
            Self::Nobody => Vec::new(),
            Self::Bare | Self::One => vec![(Wanted::Firehose, 1)],
            Self::Ten => vec![(Wanted::Firehose, MEMBERS)],
            Self::OneAndApp => vec![(Wanted::Firehose, 1), app(APP_READERS / 2)],
            Self::Apps => (0..APP_READERS).map(app).collect(),
        }
    }
}

impl Measured for Case {
    const BENCH: &'static str = "websocket";
    const ONE: Self = Self::One;
    const BARE: Self = Self::Bare;
    type Place = ();
    type Reader = Reader;

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Nobody => "nobody",
            Self::One => "firehose-1",
            Self::Ten => "firehose-10",
            Self::OneAndApp => "firehose-1+app",
            Self::Apps => "apps-1000",
        }
    }

    fn service(self) -> Service {
        match self {
            Self::Bare => Service::BareWebsocket,
            _ => Service::Websocket,
        }
    }

    fn place(self) -> Result<(), FlowError> {
        Ok(())
    }

    async fn open(self, server: &Ends, (): &()) -> Result<Vec<Group<Reader>>, FlowError> {
        let missing = || FlowError::Websocket("nobody serves any".to_owned());
        let address = server.addresses.websocket.ok_or_else(missing)?;
        let buffer = Buffer::default();
        let mut groups = Vec::new();
        for (wanted, member_count) in self.groups(server.apps) {
            let mut members = Vec::new();
            for _ in 0..member_count {
                members.push(Reader::open(address, wanted, buffer.clone()).await?);
            }
            groups.push(Group { wanted, members });
        }
        Ok(groups)
    }

    /// Times nothing, whatever is asked: a v1 message is not looked into.
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
    fn a_thousand_of_ten_thousand_apps_are_read() {
        let groups = Case::Apps.groups(10_000);
        assert_eq!(groups.len(), 1000);
        let ends = [groups[0], groups[999]];
        assert_eq!(ends, [(Wanted::App(0), 1), (Wanted::App(9990), 1)]);
        let pair = Case::OneAndApp.groups(10_000);
        assert_eq!(pair, [(Wanted::Firehose, 1), (Wanted::App(5000), 1)]);
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for case in Case::value_variants() {
            let value = case.to_possible_value().unwrap();
            assert_eq!(value.get_name(), case.name());
        }
    }
}
