//! Hydrant as a client of a Traffic Controller, its own or a Cloud Foundry's: `hydrant tail`,
//! `hydrant recent`, `hydrant firehose`; and of Log Cache: `hydrant tail --recent`, `hydrant query`,
//! `hydrant meta` (`log_cache`).
//!
//! `place` says where and who from flags, variables and what cf has stored; `cloud` asks the API
//! for what is missing; `session` asks with the token, over `http`; `stream` and `recent` read,
//! `output` prints. What is printed of envelopes goes to stdout, all else to stderr.

mod address;
mod arguments;
mod cf_config;
mod cloud;
mod drains;
mod end;
mod envelope;
mod error;
mod filter;
mod http;
mod json;
mod log_cache;
mod multipart;
mod output;
mod place;
mod recent;
mod session;
mod stop;
mod stream;
mod tally;
mod tls;
mod token;

pub use address::AddressError;
pub use arguments::{
    FirehoseArguments, MetaArguments, QueryArguments, RecentArguments, TailArguments,
};
pub use drains::DrainsArguments;
pub use end::End;
pub use error::ClientError;
pub use http::HttpError;
pub use token::TokenError;

use address::Address;
use arguments::{
    AppArguments, CachePlaceArguments, PlaceArguments, RecentLogArguments, ShowArguments,
    StreamArguments,
};
use http::Http;
use hydrant_proto::uuid;
use log_cache::{Reading, Tail};
use output::Output;
use place::{Place, Way};
use session::Session;
use std::io::{self, StdoutLock, Write};
use std::time::Duration;
use stop::Stop;
use stream::Follower;
use tls::Trust;
use tokio::runtime::{Builder, Runtime};
use url::Url;

/// Prints an app's logs as they come, until Ctrl-C.
///
/// # Errors
/// Why they do not come, or come no more. A closed pipe behind us is no error.
pub fn tail(arguments: &TailArguments) -> Result<(), ClientError> {
    let TailArguments {
        app,
        cache,
        place,
        show,
        stream,
    } = arguments;
    if cache.recent || cache.log_cache.is_some() {
        return tail_log_cache(arguments);
    }
    let url = async |asked: &mut Asked| {
        let id = asked.id_of(app).await?;
        let logging = asked.logging().await?.over_web_socket();
        Ok(logging.at(&["apps", &id, "stream"])?)
    };
    follow(place, show, stream, url)
}

/// Prints an app's logs out of Log Cache.
fn tail_log_cache(arguments: &TailArguments) -> Result<(), ClientError> {
    let TailArguments {
        app, cache, show, ..
    } = arguments;
    let RecentLogArguments {
        recent,
        follow,
        lines,
        log_cache,
    } = cache;
    let place = CachePlaceArguments {
        log_cache: log_cache.clone(),
        api: arguments.place.api.clone(),
    };
    let reading = match (recent, follow) {
        (false, _) => Reading::On,
        (true, true) => Reading::RecentAndOn(*lines),
        (true, false) => Reading::Recent(*lines),
    };
    let mut stop = Stop::on_signals()?;
    let mut output = Output::to_stdout(show);
    let outcome = block_on(async {
        let asking = async {
            let mut asked = Asked::of_log_cache(&place)?;
            let id = asked.id_of(app).await?;
            let log_cache = asked.log_cache().await?;
            Ok::<_, ClientError>((asked, id, log_cache))
        };
        let Some(asked) = stop.or(asking).await else {
            return Ok(());
        };
        let (mut asked, id, log_cache) = asked?;
        let mut tail = Tail {
            session: &mut asked.session,
            log_cache: &log_cache,
            source_id: &id,
            kinds: &show.types,
            output: &mut output,
            stop,
        };
        tail.run(reading).await
    });
    if output.tally.has_begun {
        tell(&output.tally.to_string());
    }
    unless_piped(outcome)
}

/// Prints the value of an expression of PromQL.
///
/// # Errors
/// Why there is none. A closed pipe behind us is no error.
pub fn query(arguments: &QueryArguments) -> Result<(), ClientError> {
    print_of_log_cache(&arguments.place, async |asked, log_cache| {
        log_cache::query(&mut asked.session, log_cache, arguments).await
    })
}

/// Prints the sources that Log Cache knows.
///
/// # Errors
/// Why it does not say. A closed pipe behind us is no error.
pub fn meta(arguments: &MetaArguments) -> Result<(), ClientError> {
    print_of_log_cache(&arguments.place, async |asked, log_cache| {
        log_cache::meta(&mut asked.session, log_cache, arguments).await
    })
}

fn print_of_log_cache(
    place: &CachePlaceArguments,
    text: impl AsyncFnOnce(&mut Asked, &Address) -> Result<String, ClientError>,
) -> Result<(), ClientError> {
    let outcome = block_on(async {
        let mut asked = Asked::of_log_cache(place)?;
        let log_cache = asked.log_cache().await?;
        let text = text(&mut asked, &log_cache).await?;
        Ok(io::stdout().lock().write_all(text.as_bytes())?)
    });
    unless_piped(outcome)
}

/// Prints all that comes by a subscription, until Ctrl-C.
///
/// # Errors
/// Why it does not come, or comes no more. A closed pipe behind us is no error.
pub fn firehose(arguments: &FirehoseArguments) -> Result<(), ClientError> {
    let FirehoseArguments {
        subscription,
        filter,
        place,
        show,
        stream,
    } = arguments;
    let url = async |asked: &mut Asked| {
        let logging = asked.logging().await?.over_web_socket();
        let mut url = logging.at(&["firehose", subscription])?;
        if let Some(filter) = filter {
            url.query_pairs_mut().append_pair("filter-type", filter);
        }
        Ok(url)
    };
    follow(place, show, stream, url)
}

/// Prints an app's last logs.
///
/// # Errors
/// Why there are none to be had. A closed pipe behind us is no error.
pub fn recent(arguments: &RecentArguments) -> Result<(), ClientError> {
    let mut output = Output::to_stdout(&arguments.show);
    let outcome = block_on(async {
        let mut asked = Asked::new(&arguments.place)?;
        let id = asked.id_of(&arguments.app).await?;
        let logging = asked.logging().await?.over_http();
        let url = logging.at(&["apps", &id, "recentlogs"])?;
        recent::run(&mut asked.session, url, arguments.lines, &mut output).await
    });
    if output.tally.unreadable > 0 {
        tell(&format!(
            "{} parts were no envelopes",
            output.tally.unreadable
        ));
    }
    if let Ok(false) = outcome {
        tell("the answer broke off: there may be more");
    }
    unless_piped(outcome.map(drop))
}

/// Prints how the drains of a server stand.
///
/// # Errors
/// Why the server's operator's endpoint does not say. A closed pipe behind us is no error.
pub fn drains(arguments: &DrainsArguments) -> Result<(), ClientError> {
    let outcome = block_on(async {
        let http = Http::new(Trust::System);
        let text = drains::text(&http, arguments).await?;
        Ok(io::stdout().lock().write_all(text.as_bytes())?)
    });
    unless_piped(outcome)
}

fn follow(
    place: &PlaceArguments,
    show: &ShowArguments,
    stream: &StreamArguments,
    url: impl AsyncFnOnce(&mut Asked) -> Result<Url, ClientError>,
) -> Result<(), ClientError> {
    let stop = Stop::on_signals()?;
    let mut output = Output::to_stdout(show);
    let outcome = block_on(follow_until(stop, place, stream, url, &mut output));
    if output.tally.has_begun {
        tell(&output.tally.to_string());
    }
    unless_piped(outcome)
}

async fn follow_until(
    mut stop: Stop,
    place: &PlaceArguments,
    stream: &StreamArguments,
    url: impl AsyncFnOnce(&mut Asked) -> Result<Url, ClientError>,
    output: &mut Output<StdoutLock<'static>>,
) -> Result<(), ClientError> {
    let mut asked = Asked::new(place)?;
    let Some(url) = stop.or(url(&mut asked)).await else {
        return Ok(());
    };
    let mut follower = Follower {
        session: &mut asked.session,
        url: &url?,
        output,
        stop,
        reconnects: !stream.no_reconnect,
        idle: Duration::from_secs(stream.idle_seconds),
    };
    follower.run().await
}

/// A place, and someone to ask there.
#[derive(Debug)]
struct Asked {
    session: Session,
    way: Way,
    space: Option<String>,
}

impl Asked {
    fn new(arguments: &PlaceArguments) -> Result<Self, ClientError> {
        Place::find(arguments, &variable).map(Self::at)
    }

    fn of_log_cache(arguments: &CachePlaceArguments) -> Result<Self, ClientError> {
        Place::of_log_cache(arguments, &variable).map(Self::at)
    }

    fn at(place: Place) -> Self {
        for note in &place.notes {
            tell(note);
        }
        let http = Http::new(place.trust);
        Self {
            session: Session::new(http, place.bearer, place.is_default),
            way: place.way,
            space: place.space,
        }
    }

    /// Where Log Cache is; the API is asked if only that is known.
    async fn log_cache(&self) -> Result<Address, ClientError> {
        match &self.way {
            Way::Direct(log_cache) => Ok(log_cache.clone()),
            Way::Through { api, .. } => cloud::log_cache(&self.session, api).await,
        }
    }

    /// Where the logs are; the API is asked if only that is known.
    async fn logging(&self) -> Result<Address, ClientError> {
        match &self.way {
            Way::Direct(logging) => Ok(logging.clone()),
            Way::Through { api, logging: None } => cloud::logging(&self.session, api).await,
            Way::Through {
                logging: Some(logging),
                ..
            } => Ok(logging.clone()),
        }
    }

    /// The id of an app; if it has another name, the Cloud Controller is asked for it.
    async fn id_of(&mut self, app: &AppArguments) -> Result<String, ClientError> {
        let is_id = app.id || uuid::parse(&app.app).is_some();
        match &self.way {
            Way::Through { api, .. } if !is_id => {
                let space = app.space.as_deref().or(self.space.as_deref());
                cloud::app_id(&mut self.session, api, &app.app, space).await
            }
            _ => Ok(app.app.clone()),
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn block_on<O>(future: impl Future<Output = Result<O, ClientError>>) -> Result<O, ClientError> {
    let runtime: Runtime = Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(future);
    // Names are looked up in threads that nobody can stop.
    runtime.shutdown_background();
    outcome
}

fn unless_piped(outcome: Result<(), ClientError>) -> Result<(), ClientError> {
    match outcome {
        Err(ClientError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

#[expect(clippy::print_stderr, reason = "the reader of the logs is told")]
fn tell(text: &str) {
    eprintln!("hydrant: {text}");
}
