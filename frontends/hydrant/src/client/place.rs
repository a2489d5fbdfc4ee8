//! Where the logs are and who asks: from flags, from variables, or from what cf has stored.
//!
//! One of these says where, the first that is given: `--url`, `--api` or `--cf` (which exclude each
//! other), `CF_API`, this machine. A token belongs to a place and is sent nowhere else: cf's to
//! cf's target; `CF_ACCESS_TOKEN` to `CF_API`, or, if that is not set, to where a flag leads;
//! `--token-file` to wherever it is given for.

use super::address::{self, Address};
use super::arguments::{ApiArguments, CachePlaceArguments, PlaceArguments};
use super::cf_config::CfConfig;
use super::error::ClientError;
use super::tls::Trust;
use super::token::{Bearer, Token};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A Hydrant on this machine, as it listens by default.
const HERE: &str = "ws://127.0.0.1:8081";
/// UAA's tokens of users in hundreds of groups are some KiB.
const TOKEN_BYTES_MAX: u64 = 64 << 10;

/// Environment variables; what is empty is unset.
pub(super) type Variables<'v> = &'v dyn Fn(&str) -> Option<String>;

/// Where and who.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) way: Way,
    /// The space that names of apps are of.
    pub(super) space: Option<String>,
    pub(super) bearer: Bearer,
    pub(super) trust: Trust,
    /// What the user should know of it.
    pub(super) notes: Vec<String>,
    /// Nobody said where, so it is here.
    pub(super) is_default: bool,
}

/// How the logs are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Straight to a Traffic Controller.
    Direct(Address),
    /// By an API, which may have said before where its logs are.
    Through {
        api: Address,
        logging: Option<Address>,
    },
}

/// Who said where.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Flag,
    Variable,
    Nobody,
}

impl Place {
    /// What is said where, with nobody asked yet.
    pub(super) fn find(
        arguments: &PlaceArguments,
        variables: Variables<'_>,
    ) -> Result<Self, ClientError> {
        let url = arguments.url.as_deref().map(Address::of_web_socket);
        let url = url.transpose().map_err(ClientError::address("--url"))?;
        Self::of(url, &arguments.api, variables)
    }

    /// The same of Log Cache, which is nowhere by default.
    pub(super) fn of_log_cache(
        arguments: &CachePlaceArguments,
        variables: Variables<'_>,
    ) -> Result<Self, ClientError> {
        let url = arguments.log_cache.as_deref().map(Address::of_http);
        let url = url
            .transpose()
            .map_err(ClientError::address("--log-cache"))?;
        let place = Self::of(url, &arguments.api, variables)?;
        match place.is_default {
            true => Err(ClientError::NoLogCache),
            false => Ok(place),
        }
    }

    fn of(
        url: Option<Address>,
        arguments: &ApiArguments,
        variables: Variables<'_>,
    ) -> Result<Self, ClientError> {
        let mut place = match arguments.cf {
            true => Self::of_cf(&CfConfig::load(variables)?)?,
            false => Self::of_urls(url, arguments, variables)?,
        };
        if let Some(path) = &arguments.token_file {
            place.bearer = Bearer::new(Some(token_of(path)?), None);
        }
        place.trust = match (&arguments.ca_file, arguments.skip_ssl_validation) {
            (_, true) => Trust::Anybody,
            (Some(file), false) => Trust::File(file.clone()),
            (None, false) => place.trust,
        };
        if place.trust == Trust::Anybody {
            let note = "certificates are not verified: anybody on the way can read along";
            place.notes.push(note.to_owned());
        }
        Ok(place)
    }

    fn of_cf(config: &CfConfig) -> Result<Self, ClientError> {
        let api = config.api()?;
        let logging = config.logging()?;
        if let Some(logging) = &logging {
            api.lead_to(logging)?;
        }
        let trust = match config.is_verified() {
            true => Trust::System,
            false => Trust::Anybody,
        };
        Ok(Self {
            way: Way::Through { api, logging },
            space: config.space(),
            bearer: config.bearer()?,
            trust,
            notes: Vec::new(),
            is_default: false,
        })
    }

    fn of_urls(
        url: Option<Address>,
        arguments: &ApiArguments,
        variables: Variables<'_>,
    ) -> Result<Self, ClientError> {
        let api = arguments.api.as_deref().map(Address::of_api);
        let api = api.transpose().map_err(ClientError::address("--api"))?;
        let variable = variables("CF_API");
        let variable = variable.as_deref().map(Address::of_api);
        let variable = variable
            .transpose()
            .map_err(ClientError::address("CF_API"))?;
        let through = |api| Way::Through { api, logging: None };
        let (way, by) = match (url, api, variable.clone()) {
            (Some(url), _, _) => (Way::Direct(url), By::Flag),
            (None, Some(api), _) => (through(api), By::Flag),
            (None, None, Some(api)) => (through(api), By::Variable),
            (None, None, None) => (Way::Direct(here()?), By::Nobody),
        };
        let (token, note) = token_for(&way, by, variable.as_ref(), variables);
        // A file's token takes its place, so there is nothing to tell of it.
        let note = note.filter(|_| arguments.token_file.is_none());
        let token = token.map(|token| Token::new(&token, "CF_ACCESS_TOKEN"));
        Ok(Self {
            way,
            space: None,
            bearer: Bearer::new(token.transpose()?, None),
            trust: Trust::System,
            notes: note.into_iter().collect(),
            is_default: by == By::Nobody,
        })
    }
}

impl Address {
    /// Whether a token may follow from here to there.
    ///
    /// # Errors
    /// If TLS ends on the way.
    pub(super) fn lead_to(&self, other: &Self) -> Result<(), ClientError> {
        match self.is_secure() && !other.is_secure() {
            false => Ok(()),
            true => Err(ClientError::Downgrade {
                from: self.to_string(),
                to: other.to_string(),
            }),
        }
    }
}

fn here() -> Result<Address, address::AddressError> {
    Address::of_web_socket(HERE)
}

/// The variable's token if it is for this place, and a word about it if it is not.
fn token_for(
    way: &Way,
    by: By,
    api: Option<&Address>,
    variables: Variables<'_>,
) -> (Option<String>, Option<String>) {
    let is_for_us = match (api, way) {
        (Some(of_variable), Way::Through { api, .. }) => of_variable == api,
        (Some(_), Way::Direct(_)) => false,
        (None, _) => by == By::Flag,
    };
    match variables("CF_ACCESS_TOKEN") {
        Some(token) if is_for_us => (Some(token), None),
        Some(_) => (None, Some(not_sent(api))),
        None => (None, None),
    }
}

fn not_sent(api: Option<&Address>) -> String {
    match api {
        Some(api) => format!("CF_ACCESS_TOKEN is for {api} (CF_API) and is not sent elsewhere"),
        None => "CF_ACCESS_TOKEN is not sent: no CF_API, --api or --url says where to".to_owned(),
    }
}

fn token_of(path: &Path) -> Result<Token, ClientError> {
    let failed = |error| ClientError::TokenFile {
        path: path.to_owned(),
        error,
    };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(TOKEN_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(Token::new(&text, "the file of --token-file")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(arguments: &[(&str, &str)], variables: &[(&str, &str)]) -> Place {
        let value = |of: &[(&str, &str)], name: &str| {
            let mut found = of.iter().filter(|(known, _)| *known == name);
            found.next().map(|(_, value)| (*value).to_owned())
        };
        let arguments = PlaceArguments {
            url: value(arguments, "url"),
            api: ApiArguments {
                api: value(arguments, "api"),
                ..ApiArguments::default()
            },
        };
        Place::find(&arguments, &|name| value(variables, name)).unwrap()
    }

    fn direct(url: &str) -> Way {
        Way::Direct(Address::of_web_socket(url).unwrap())
    }

    fn through(url: &str) -> Way {
        let api = Address::of_api(url).unwrap();
        Way::Through { api, logging: None }
    }

    const TOKEN: (&str, &str) = ("CF_ACCESS_TOKEN", "abc");

    #[test]
    fn without_a_word_it_is_here_and_gets_no_token() {
        let place = find(&[], &[TOKEN]);
        assert_eq!(place.way, direct(HERE));
        assert!(place.is_default && !place.bearer.has_token());
        assert!(place.notes[0].contains("is not sent"), "{:?}", place.notes);
    }

    #[test]
    fn flags_win_over_variables() {
        let variables = [("CF_API", "https://a.example")];
        let place = find(&[("url", "ws://h")], &variables);
        assert_eq!(place.way, direct("ws://h"));
        let place = find(&[("api", "https://b.example")], &variables);
        assert_eq!(place.way, through("https://b.example"));
        let place = find(&[], &variables);
        assert_eq!(place.way, through("https://a.example"));
    }

    #[test]
    fn a_token_goes_where_it_belongs_and_nowhere_else() {
        let api = ("CF_API", "a.example");
        for (arguments, variables, has_token) in [
            (vec![("url", "ws://h")], vec![TOKEN], true),
            (vec![("api", "https://b")], vec![TOKEN], true),
            (vec![], vec![TOKEN, api], true),
            (vec![("api", "https://a.example/")], vec![TOKEN, api], true),
            (vec![("api", "https://b.example")], vec![TOKEN, api], false),
            (vec![("api", "http://a.example")], vec![TOKEN, api], false),
            (vec![("url", "wss://a.example")], vec![TOKEN, api], false),
        ] {
            let place = find(&arguments, &variables);
            assert_eq!(place.bearer.has_token(), has_token, "{arguments:?}");
            assert_eq!(place.notes.is_empty(), has_token, "{arguments:?}");
        }
    }

    #[test]
    fn tls_does_not_end_on_the_way() {
        let [secure, plain] = ["https://a", "http://b"].map(|text| Address::of_api(text).unwrap());
        secure.lead_to(&plain).unwrap_err();
        plain.lead_to(&secure).unwrap();
        plain.lead_to(&plain).unwrap();
    }
}
