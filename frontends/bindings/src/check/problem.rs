//! Why a binding is rejected, and how its apps are told.

use crate::wire::Grant;
use std::sync::Arc;

/// Something that is wrong with a binding. Shows nothing secret of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Problem {
    /// The app to tell; none if it is only for the operator.
    pub app: Option<String>,
    /// What is wrong, in upstream's words.
    pub message: Arc<str>,
}

/// Why a binding, or one of its credentials, is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Unreadable,
    Scheme(String),
    Host,
    Port,
    BothFilters,
    UnknownTypes(String),
    Framing(String),
    FailedBefore,
    Unresolved,
    Blacklisted,
    Certificate,
    Authority,
}

impl Problem {
    /// A binding without credentials has no apps that could be told.
    pub(super) fn nobody() -> Self {
        let message = "No credentials - which include appIDs - for a binding. Check the bindings in the cloud controller.";
        Self {
            app: None,
            message: message.into(),
        }
    }

    /// The same for each app of these grants.
    pub(super) fn of(reason: &Reason, shown: &str, grants: &[Grant]) -> impl Iterator<Item = Self> {
        let message = Arc::<str>::from(reason.message(shown));
        let apps = grants.iter().flat_map(Grant::apps);
        apps.filter(|app| !app.app_id.is_empty())
            .map(move |app| Self {
                app: Some(app.app_id.clone()),
                message: message.clone(),
            })
    }
}

impl Reason {
    /// Whether it counts as an invalid drain.
    pub(super) fn is_invalid(&self) -> bool {
        *self != Self::FailedBefore
    }

    /// Whether it counts as a blacklisted drain.
    pub(super) fn is_blacklisted(&self) -> bool {
        *self == Self::Blacklisted
    }

    /// What is wrong with the drain at `url`.
    pub(super) fn message(&self, url: &str) -> String {
        match self {
            Self::Unreadable => "Cannot parse syslog drain URL.".to_owned(),
            Self::Scheme(scheme) => format!("Invalid Scheme {scheme} for syslog drain url {url}"),
            Self::Host => format!("No hostname found in syslog drain url {url}"),
            Self::Port => format!("No port found in syslog drain url {url}"),
            Self::BothFilters => format!(
                "include-source-types and exclude-source-types cannot be used at the same time in \
                 syslog drain url {url}"
            ),
            Self::UnknownTypes(types) => format!(
                "Unknown source types '{types}' in source type filter in syslog drain url {url}"
            ),
            Self::Framing(framing) => {
                format!("Unknown framing '{framing}' in syslog drain url {url}")
            }
            Self::FailedBefore => format!(
                "Skipped resolve ip address for syslog drain with url {url} due to prior failure"
            ),
            Self::Unresolved => {
                format!("Cannot resolve ip address for syslog drain with url {url}")
            }
            Self::Blacklisted => {
                format!("Resolved ip address for syslog drain with url {url} is blacklisted")
            }
            Self::Certificate => format!("failed to load certificate for {url}"),
            Self::Authority => format!("failed to load root CA for {url}"),
        }
    }
}
