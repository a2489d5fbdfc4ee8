//! The JSON in which bindings travel: pages of the Cloud Controller's
//! `/internal/v5/syslog_drain_urls`, and what a binding cache serves at `/v2/bindings` and
//! `/v2/aggregate`.
//!
//! It is read as Go's `encoding/json` reads it, since both ends of upstream do: names of keys in any
//! case, `null` for nothing, unknown keys skipped, the last of equal keys wins. It is written as Go
//! writes it, byte for byte.

mod fields;
mod text;

use crate::binding::Credentials;
use crate::secret::Secret;
use fields::{Fields, read_object};
use serde::de::{Error, MapAccess};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A page of the Cloud Controller's list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Its bindings.
    pub results: Vec<DrainUrl>,
    /// Where the next page begins; 0 if this is the last.
    pub next_id: i64,
}

/// A drain's URL, with all that are bound to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DrainUrl {
    /// The URL; a secret.
    pub url: Secret,
    /// For each pair of certificate and CA those who use it.
    pub credentials: Vec<Grant>,
}

/// Credentials and the apps that use them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Grant {
    /// What TLS needs.
    pub credentials: Credentials,
    /// The apps. None for `null`, which is what aggregate drains have.
    pub apps: Option<Vec<App>>,
}

/// An app that has bound a drain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct App {
    /// Organization, space and app, with dots between.
    pub hostname: String,
    /// The app's GUID.
    pub app_id: String,
}

/// What is not this JSON. Shows nothing of what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no JSON of bindings: wrong at line {line}, column {column}")]
pub struct WireError {
    line: usize,
    column: usize,
}

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    /// Where it is not what it should be.
    pub fn read(json: &[u8]) -> Result<Self, WireError> {
        text::read(json)
    }
}

/// Reads what a cache serves. `null` is nobody.
///
/// # Errors
/// Where it is not what it should be.
pub fn read(json: &[u8]) -> Result<Vec<DrainUrl>, WireError> {
    let list: Option<_> = text::read(json)?;
    Ok(list.unwrap_or_default())
}

/// `/v2/bindings`: `[]` if there are none. Ends with a line feed, as upstream's.
#[must_use]
pub fn bindings(list: &[DrainUrl]) -> Vec<u8> {
    text::write(list)
}

/// `/v2/aggregate`: `null` if there are none. Ends with a line feed, as upstream's.
#[must_use]
pub fn aggregate(list: &[DrainUrl]) -> Vec<u8> {
    text::write((!list.is_empty()).then_some(list))
}

impl DrainUrl {
    /// An aggregate drain: every app's.
    #[must_use]
    pub fn aggregate(url: Secret, credentials: Credentials) -> Self {
        let grant = Grant {
            credentials,
            apps: None,
        };
        Self {
            url,
            credentials: vec![grant],
        }
    }

    /// All apps that are bound to it.
    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.credentials.iter().flat_map(Grant::apps)
    }
}

impl Grant {
    /// The apps.
    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.apps.iter().flatten()
    }
}

impl Fields for Page {
    const WHAT: &'static str = "a page of bindings";

    fn set<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "results" => self.results = or_default(map)?,
            "next_id" => self.next_id = or_default(map)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Fields for DrainUrl {
    const WHAT: &'static str = "a binding";

    fn set<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "url" => self.url = or_default(map)?,
            "credentials" => self.credentials = or_default(map)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Fields for Grant {
    const WHAT: &'static str = "credentials";

    fn set<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "cert" => self.credentials.cert = or_default(map)?,
            "key" => self.credentials.key = or_default(map)?,
            "ca" => self.credentials.ca = or_default(map)?,
            "apps" => self.apps = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Fields for App {
    const WHAT: &'static str = "an app";

    fn set<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "hostname" => self.hostname = or_default(map)?,
            "app_id" => self.app_id = or_default(map)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// A value; what there is without one for `null`.
fn or_default<'de, A: MapAccess<'de>, T: Deserialize<'de> + Default>(
    map: &mut A,
) -> Result<T, A::Error> {
    Ok(map.next_value::<Option<T>>()?.unwrap_or_default())
}

macro_rules! read_by_fields {
    ($($name:ty),*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                read_object(deserializer)
            }
        }
    )*};
}

read_by_fields!(Page, DrainUrl, Grant, App);

impl<'de> Deserialize<'de> for Secret {
    /// What is no string is told without being shown.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer);
        let wrong = || D::Error::custom("invalid type: a secret text is needed");
        text.map(Self::from).or(Err(wrong()))
    }
}

impl Serialize for DrainUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("DrainUrl", 2)?;
        object.serialize_field("url", self.url.reveal())?;
        object.serialize_field("credentials", &self.credentials)?;
        object.end()
    }
}

impl Serialize for Grant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Grant", 4)?;
        object.serialize_field("cert", self.credentials.cert.reveal())?;
        object.serialize_field("key", self.credentials.key.reveal())?;
        object.serialize_field("ca", self.credentials.ca.reveal())?;
        object.serialize_field("apps", &self.apps)?;
        object.end()
    }
}

impl Serialize for App {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("App", 2)?;
        object.serialize_field("hostname", &self.hostname)?;
        object.serialize_field("app_id", &self.app_id)?;
        object.end()
    }
}

#[cfg(test)]
mod tests;
