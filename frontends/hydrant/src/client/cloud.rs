//! What an API says: where logs are, and which app has a name.

use super::address::Address;
use super::error::ClientError;
use super::session::Session;
use hyper::StatusCode;
use serde::Deserialize;
use std::fmt::Write;

/// The API's root, as Cloud Controllers since 2017 have it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Root {
    links: Links,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Links {
    logging: Option<Link>,
    log_cache: Option<Link>,
}

#[derive(Deserialize)]
struct Link {
    href: String,
}

/// `/v2/info`, from 2014 to the end of v2.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Info {
    doppler_logging_endpoint: Option<String>,
}

/// A page of `/v3/apps`.
#[derive(Deserialize)]
struct Apps {
    resources: Vec<App>,
}

#[derive(Deserialize)]
struct App {
    guid: String,
    #[serde(default)]
    relationships: Relationships,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Relationships {
    space: Relationship,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Relationship {
    data: Option<Guid>,
}

#[derive(Deserialize)]
struct Guid {
    guid: String,
}

/// Where the API says that logs are: at `/`, or else at `/v2/info`. No token is sent for that.
///
/// # Errors
/// If it does not say, or leads away from TLS.
pub(super) async fn logging(session: &Session, api: &Address) -> Result<Address, ClientError> {
    let root = session.ask_openly(&api.at(&[])?).await?;
    let mut href = match root.status {
        StatusCode::OK => logging_of_root(&root.body),
        _ => None,
    };
    if href.is_none() {
        let info = session.ask_openly(&api.at(&["v2", "info"])?).await?;
        href = match info.status {
            StatusCode::OK => logging_of_info(&info.body),
            _ => None,
        };
    }
    let href = href.ok_or_else(|| ClientError::NoLogging {
        api: api.to_string(),
    })?;
    let what = "what the API says about logs";
    let logging = Address::of_logging(&href).map_err(ClientError::address(what))?;
    api.lead_to(&logging)?;
    Ok(logging)
}

/// Where the API says that Log Cache is, or else where it mostly is. No token is sent for that.
///
/// # Errors
/// If neither can be found, or it leads away from TLS.
pub(super) async fn log_cache(session: &Session, api: &Address) -> Result<Address, ClientError> {
    let root = session.ask_openly(&api.at(&[])?).await?;
    let href = match root.status {
        StatusCode::OK => log_cache_of_root(&root.body),
        _ => None,
    };
    let found = match href {
        Some(href) => {
            let what = "what the API says about Log Cache";
            let found = Address::of_api(&href).map_err(ClientError::address(what))?;
            Some(found)
        }
        None => api.with_api_as("log-cache"),
    };
    let found = found.ok_or_else(|| ClientError::NoLogCacheOf {
        api: api.to_string(),
    })?;
    api.lead_to(&found)?;
    Ok(found)
}

/// The id of the app of this name: of the space, or of all that the token may see.
///
/// # Errors
/// If there is none or more than one.
pub(super) async fn app_id(
    session: &mut Session,
    api: &Address,
    name: &str,
    space: Option<&str>,
) -> Result<String, ClientError> {
    let mut url = api.at(&["v3", "apps"])?;
    url.query_pairs_mut().append_pair("names", name);
    if let Some(space) = space {
        url.query_pairs_mut().append_pair("space_guids", space);
    }
    let answer = session.get(&url).await?;
    if answer.status != StatusCode::OK {
        return Err(session.refused(&url, &answer));
    }
    match serde_json::from_slice::<Apps>(&answer.body) {
        Ok(apps) => only(name, space.is_some(), apps.resources),
        Err(_) => Err(ClientError::NotUnderstood {
            url: url.to_string(),
            problem: "the answer is not a Cloud Controller's; --id takes APP as an id".to_owned(),
        }),
    }
}

fn logging_of_root(body: &[u8]) -> Option<String> {
    let root: Root = serde_json::from_slice(body).ok()?;
    root.links.logging.map(|link| link.href).filter(is_given)
}

fn log_cache_of_root(body: &[u8]) -> Option<String> {
    let root: Root = serde_json::from_slice(body).ok()?;
    root.links.log_cache.map(|link| link.href).filter(is_given)
}

fn logging_of_info(body: &[u8]) -> Option<String> {
    let info: Info = serde_json::from_slice(body).ok()?;
    info.doppler_logging_endpoint.filter(is_given)
}

#[expect(clippy::ptr_arg, reason = "as Option::filter has it")]
fn is_given(text: &String) -> bool {
    !text.is_empty()
}

fn only(name: &str, is_of_space: bool, mut apps: Vec<App>) -> Result<String, ClientError> {
    let name = name.to_owned();
    match (apps.pop(), apps.is_empty()) {
        (Some(app), true) => Ok(app.guid),
        (None, _) => Err(ClientError::NoApp {
            name,
            place: if is_of_space { " in this space" } else { "" },
        }),
        (Some(app), false) => {
            apps.push(app);
            let apps = list(&apps);
            Err(ClientError::ManyApps { name, apps })
        }
    }
}

fn list(apps: &[App]) -> String {
    let mut text = String::new();
    for (index, app) in apps.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        // Writing to a String cannot fail.
        write!(text, "{comma}{}", app.guid).ok();
        if let Some(space) = &app.relationships.space.data {
            write!(text, " (space {})", space.guid).ok();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apps(text: &str) -> Vec<App> {
        serde_json::from_str::<Apps>(text).unwrap().resources
    }

    #[test]
    fn roots_old_and_new_say_where_logs_are() {
        let root =
            br#"{"links":{"bits_service":null,"logging":{"href":"wss://d:443"},"login":{}}}"#;
        assert_eq!(logging_of_root(root).as_deref(), Some("wss://d:443"));
        assert_eq!(logging_of_root(br#"{"links":{"logging":null}}"#), None);
        assert_eq!(logging_of_root(b"<html>"), None);
        let root = br#"{"links":{"logging":null,"log_cache":{"href":"https://log-cache.x"}}}"#;
        assert_eq!(
            log_cache_of_root(root).as_deref(),
            Some("https://log-cache.x")
        );
        assert_eq!(log_cache_of_root(b"{}"), None);
        let info = br#"{"logging_endpoint":"wss://l","doppler_logging_endpoint":"wss://d"}"#;
        assert_eq!(logging_of_info(info).as_deref(), Some("wss://d"));
        assert_eq!(logging_of_info(br#"{"doppler_logging_endpoint":""}"#), None);
    }

    #[test]
    fn a_name_is_one_apps_or_nobodys() {
        let one = r#"{"resources":[{"guid":"g-1","name":"web"}]}"#;
        assert_eq!(only("web", true, apps(one)).unwrap(), "g-1");
        let none = only("web", true, apps(r#"{"resources":[]}"#)).unwrap_err();
        assert!(none.to_string().contains("\"web\" in this space"), "{none}");
        let two = r#"{"resources":[
            {"guid":"g-1","relationships":{"space":{"data":{"guid":"s-1"}}}},
            {"guid":"g-2","relationships":{"space":{"data":{"guid":"s-2"}}}}]}"#;
        let many = only("web", false, apps(two)).unwrap_err().to_string();
        assert!(many.ends_with("g-1 (space s-1), g-2 (space s-2)"), "{many}");
    }
}
