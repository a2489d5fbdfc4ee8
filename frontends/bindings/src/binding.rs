//! One wish to have envelopes at a drain.

use crate::secret::Secret;

/// An app's binding to a drain, or an aggregate drain.
///
/// Two that differ in anything are two: any change of a binding ends the old one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    /// The drain's URL, to be read with [`Drain::parse`](crate::Drain::parse). It is a secret: it may
    /// hold user, password and tokens.
    pub url: Secret,
    /// What TLS to the drain needs.
    pub credentials: Credentials,
    /// The source id whose envelopes go there; every source's if there is none.
    pub app: Option<String>,
    /// HOSTNAME of lines whose tags name no app; empty for none, which is written as `-`.
    pub hostname: String,
}

/// What TLS to a drain needs beyond what all drains have, as PEM; each may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// Our certificate. It is used only if there is a key too, as upstream does it.
    pub cert: Secret,
    /// Our key.
    pub key: Secret,
    /// A CA that is trusted for this drain and no other.
    pub ca: Secret,
}
