//! What `cf login` and `cf target` have stored. It is read and never written: it is cf's.

use super::address::Address;
use super::error::ClientError;
use super::place::Variables;
use super::token::{Bearer, Renewal, Token};
use serde::Deserialize;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A config with many plugin repositories is some KiB.
const BYTES_MAX: u64 = 4 << 20;
/// cf's name as a client of UAA; its secret is empty.
const CLIENT: &str = "cf";

/// The fields of `config.json` that we need, as cf names them in versions 6 to 8. There is also a
/// `LoggregatorEndPoint`, of the protocol before this one.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct CfConfig {
    target: String,
    #[serde(rename = "DopplerEndPoint", alias = "DopplerEndpoint")]
    doppler_endpoint: String,
    #[serde(alias = "UAAEndpoint")]
    uaa_endpoint: String,
    authorization_endpoint: String,
    access_token: String,
    refresh_token: String,
    #[serde(rename = "SSLDisabled")]
    ssl_disabled: bool,
    #[serde(rename = "UAAOAuthClient")]
    uaa_client: String,
    #[serde(rename = "UAAOAuthClientSecret")]
    uaa_client_secret: String,
    space_fields: Space,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Space {
    #[serde(rename = "GUID")]
    guid: String,
}

impl CfConfig {
    /// Reads `config.json` below `.cf` in `CF_HOME`, or else in the home directory.
    pub(super) fn load(variables: Variables<'_>) -> Result<Self, ClientError> {
        let home = variables("CF_HOME").or_else(|| variables("HOME"));
        let home = PathBuf::from(home.unwrap_or_default());
        let path = home.join(".cf").join("config.json");
        let config = read(&path).and_then(|text| Self::parse(&text));
        config.map_err(|problem| ClientError::CfConfig { path, problem })
    }

    fn parse(text: &str) -> Result<Self, String> {
        // Only the place is told: what is there may be a token.
        let config: Self = serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("line {line}, column {column}: not what cf writes there")
        })?;
        match config.target.is_empty() {
            true => Err("no API is targeted; `cf login` first".to_owned()),
            false => Ok(config),
        }
    }

    pub(super) fn api(&self) -> Result<Address, ClientError> {
        Address::of_api(&self.target).map_err(ClientError::address("Target of cf's config"))
    }

    /// Where logs are, if cf has been told.
    pub(super) fn logging(&self) -> Result<Option<Address>, ClientError> {
        match &*self.doppler_endpoint {
            "" => Ok(None),
            text => Address::of_logging(text)
                .map(Some)
                .map_err(ClientError::address("DopplerEndPoint of cf's config")),
        }
    }

    pub(super) fn space(&self) -> Option<String> {
        let guid = &self.space_fields.guid;
        (!guid.is_empty()).then(|| guid.clone())
    }

    pub(super) const fn is_verified(&self) -> bool {
        !self.ssl_disabled
    }

    /// Its token, and what that is renewed with.
    pub(super) fn bearer(&self) -> Result<Bearer, ClientError> {
        let token = match &*self.access_token {
            "" => None,
            text => Some(Token::new(text, "AccessToken of cf's config")?),
        };
        Ok(Bearer::new(token, self.renewal()?))
    }

    fn renewal(&self) -> Result<Option<Renewal>, ClientError> {
        let uaa = [&self.uaa_endpoint, &self.authorization_endpoint];
        let uaa = uaa.into_iter().find(|text| !text.is_empty());
        let Some(uaa) = uaa.filter(|_| !self.refresh_token.is_empty()) else {
            return Ok(None);
        };
        let uaa =
            Address::of_api(uaa).map_err(ClientError::address("UaaEndpoint of cf's config"))?;
        self.api()?.lead_to(&uaa)?;
        let (client, client_secret) = match &*self.uaa_client {
            "" => (CLIENT.to_owned(), String::new()),
            client => (client.to_owned(), self.uaa_client_secret.clone()),
        };
        let refresh_token = self.refresh_token.clone();
        Ok(Some(Renewal {
            uaa,
            client,
            client_secret,
            refresh_token,
        }))
    }
}

fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| format!("{error}; `cf login` first"))?;
    let read = file.take(BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| error.to_string())?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{
        "ConfigVersion": 4, "Target": "https://api.example", "APIVersion": "3.180.0",
        "DopplerEndPoint": "wss://doppler.example:443", "UaaEndpoint": "https://uaa.example",
        "AuthorizationEndpoint": "https://login.example", "AccessToken": "bearer abc",
        "RefreshToken": "again", "SSLDisabled": false, "UAAOAuthClient": "cf",
        "UAAOAuthClientSecret": "", "SpaceFields": {"GUID": "s-1", "Name": "dev", "AllowSSH": true}
    }"#;

    #[test]
    fn what_cf_writes_is_read() {
        let config = CfConfig::parse(CONFIG).unwrap();
        assert_eq!(config.api().unwrap().to_string(), "https://api.example");
        let logging = config.logging().unwrap().unwrap();
        // 443 goes without saying.
        assert_eq!(logging.to_string(), "wss://doppler.example");
        assert_eq!(config.space().as_deref(), Some("s-1"));
        assert!(config.is_verified());
        let bearer = config.bearer().unwrap();
        assert!(bearer.has_token() && bearer.is_renewable());
    }

    #[test]
    fn older_files_have_no_uaa_and_no_client() {
        let text =
            r#"{"Target":"https://a","AuthorizationEndpoint":"https://login","RefreshToken":"r"}"#;
        let renewal = CfConfig::parse(text).unwrap().renewal().unwrap().unwrap();
        assert_eq!(renewal.uaa.to_string(), "https://login");
        assert_eq!((&*renewal.client, &*renewal.client_secret), ("cf", ""));
    }

    #[test]
    fn a_token_is_not_renewed_in_the_clear() {
        let text = r#"{"Target":"https://a","UaaEndpoint":"http://uaa","RefreshToken":"r"}"#;
        let refused = CfConfig::parse(text).unwrap().renewal();
        let Err(error) = refused else {
            panic!("https leads to http")
        };
        assert!(error.to_string().contains("without TLS"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_told_without_what_is_there() {
        let Err(said) = CfConfig::parse("{\"Target\": \"a\",\n\"SSLDisabled\": \"secret\"}") else {
            panic!("it is no boolean")
        };
        assert!(said.starts_with("line 2, column"), "{said}");
        assert!(!said.contains("secret"), "{said}");
        let Err(said) = CfConfig::parse("{}") else {
            panic!("there is no target")
        };
        assert!(said.contains("cf login"), "{said}");
    }

    #[test]
    fn cf_home_wins_over_home() {
        let variables = |name: &str| match name {
            "CF_HOME" => Some("/cf".to_owned()),
            _ => Some("/home".to_owned()),
        };
        let Err(error) = CfConfig::load(&variables) else {
            panic!("there is no such file")
        };
        assert!(
            error.to_string().starts_with("/cf/.cf/config.json"),
            "{error}"
        );
    }
}
