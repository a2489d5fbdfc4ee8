//! What `tail`, `recent`, `firehose`, `query` and `meta` are told on the command line.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `hydrant tail`.
#[derive(Clone, Debug, Args)]
pub struct TailArguments {
    #[command(flatten)]
    pub(super) app: AppArguments,
    #[command(flatten)]
    pub(super) cache: RecentLogArguments,
    #[command(flatten)]
    pub(super) place: PlaceArguments,
    #[command(flatten)]
    pub(super) show: ShowArguments,
    #[command(flatten)]
    pub(super) stream: StreamArguments,
}

/// `hydrant recent`.
#[derive(Clone, Debug, Args)]
pub struct RecentArguments {
    #[command(flatten)]
    pub(super) app: AppArguments,
    /// At most so many, the last ones.
    #[arg(long, value_name = "COUNT")]
    pub(super) lines: Option<usize>,
    #[command(flatten)]
    pub(super) place: PlaceArguments,
    #[command(flatten)]
    pub(super) show: ShowArguments,
}

/// `hydrant query`.
#[derive(Clone, Debug, Args)]
pub struct QueryArguments {
    /// The expression. Each of its selectors names a source: `cpu{source_id="…"}`.
    #[arg(value_name = "PROMQL")]
    pub(super) query: String,
    /// The moment, in seconds since 1970 or as RFC 3339. Default: now.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["start", "end", "step"])]
    pub(super) time: Option<String>,
    /// The first moment of several.
    #[arg(long, value_name = "TIME", requires_all = ["end", "step"])]
    pub(super) start: Option<String>,
    /// The last one, if a step falls on it.
    #[arg(long, value_name = "TIME", requires_all = ["start", "step"])]
    pub(super) end: Option<String>,
    /// From one to the next, in seconds or as `1m`.
    #[arg(long, value_name = "STEP", requires_all = ["start", "end"])]
    pub(super) step: Option<String>,
    /// Print what Log Cache answers, which is JSON as Prometheus has it.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) place: CachePlaceArguments,
}

/// `hydrant meta`.
#[derive(Clone, Debug, Args)]
pub struct MetaArguments {
    /// Between the two looks of which the rate is made.
    #[arg(long, value_name = "SECONDS", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(super) seconds: u64,
    /// At most so many sources, the noisiest.
    #[arg(long, value_name = "COUNT")]
    pub(super) lines: Option<usize>,
    /// One JSON object a source: source_id, per_second, count, expired, oldest, newest (RFC 3339 in UTC).
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) place: CachePlaceArguments,
}

/// What `tail` reads of Log Cache.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "From Log Cache, in place of a stream")]
pub(super) struct RecentLogArguments {
    /// Print the last logs that Log Cache has, and end.
    ///
    /// Of envelopes other than logs those whose --type is given.
    #[arg(long, conflicts_with = "url")]
    pub(super) recent: bool,
    /// With --recent: go on with what comes. Log Cache is asked again and again; what is less than a
    /// second old is left for the next time, so that nothing that is late is missed.
    #[arg(long, short, requires = "recent")]
    pub(super) follow: bool,
    /// At most so many of the last ones.
    #[arg(long, value_name = "COUNT", requires = "recent", default_value_t = 1000,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) lines: u16,
    /// Log Cache's gateway or the proxy in front of it: http://… or https://… Without --recent, what
    /// comes from now on is read from there.
    ///
    /// Default: what the API says, or its address with log-cache in the place of api.
    #[arg(long, value_name = "URL", conflicts_with_all = ["url", "api", "cf"])]
    pub(super) log_cache: Option<String>,
}

/// Where Log Cache is and who asks it.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Where Log Cache is")]
pub(super) struct CachePlaceArguments {
    /// Log Cache's gateway or the proxy in front of it: http://… or https://…
    ///
    /// Default: what the API says, or its address with log-cache in the place of api.
    #[arg(long, value_name = "URL", conflicts_with_all = ["api", "cf"])]
    pub(super) log_cache: Option<String>,
    #[command(flatten)]
    pub(super) api: ApiArguments,
}

/// `hydrant firehose`.
#[derive(Clone, Debug, Args)]
pub struct FirehoseArguments {
    /// Sessions of one subscription share its messages.
    #[arg(long, default_value_t = format!("hydrant-{}", std::process::id()))]
    pub(super) subscription: String,
    /// Only `logs`, or only `metrics` (everything but logs); the server sends nothing else.
    #[arg(long, value_parser = ["logs", "metrics"])]
    pub(super) filter: Option<String>,
    #[command(flatten)]
    pub(super) place: PlaceArguments,
    #[command(flatten)]
    pub(super) show: ShowArguments,
    #[command(flatten)]
    pub(super) stream: StreamArguments,
}

/// Where the logs are and who asks for them.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Where the logs are")]
pub(super) struct PlaceArguments {
    /// A Traffic Controller's or Hydrant's own address: ws://… or wss://…
    ///
    /// Default, if nothing else says where: ws://127.0.0.1:8081.
    #[arg(long, value_name = "URL", conflicts_with_all = ["api", "cf"])]
    pub(super) url: Option<String>,
    #[command(flatten)]
    pub(super) api: ApiArguments,
}

/// Which Cloud Foundry, and who asks there.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ApiArguments {
    /// A Cloud Foundry API, which says where its logs are. Default: the variable CF_API.
    #[arg(long, value_name = "URL", conflicts_with = "cf")]
    pub(super) api: Option<String>,
    /// Go where `cf target` goes, as who has logged in by `cf login`.
    ///
    /// Reads .cf/config.json in CF_HOME or in the home directory; CF_API and CF_ACCESS_TOKEN count
    /// for nothing then. An expired token is renewed at UAA and kept in memory only.
    #[arg(long)]
    pub(super) cf: bool,
    /// Read the token from a file, as `cf oauth-token` prints it. Default: the variable
    /// CF_ACCESS_TOKEN.
    ///
    /// Where CF_API is set, CF_ACCESS_TOKEN is sent there and nowhere else.
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Trust the CAs of this PEM file, and not those of the system.
    #[arg(long, value_name = "FILE", conflicts_with = "skip_ssl_validation")]
    pub(super) ca_file: Option<PathBuf>,
    /// Trust whoever answers.
    #[arg(long)]
    pub(super) skip_ssl_validation: bool,
}

/// Whose logs.
#[derive(Clone, Debug, Args)]
pub(super) struct AppArguments {
    /// The app's id; or its name, if --cf, --api or CF_API lead to a Cloud Controller.
    pub(super) app: String,
    /// Take APP as an id even if it does not look like a GUID.
    #[arg(long)]
    pub(super) id: bool,
    /// The GUID of the space that the name is of. Default with --cf: the space targeted there.
    #[arg(long, value_name = "GUID")]
    pub(super) space: Option<String>,
}

/// What is printed and how. All of it is done here: the server sends everything all the same.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "What is printed (sorted out here, after it has come)")]
pub(super) struct ShowArguments {
    /// One JSON object a line.
    ///
    /// Every one has type, timestamp (RFC 3339 in UTC with nanoseconds), origin and tags; where
    /// known source_id (the app's id), instance, deployment, job, index, ip. Then by its type:
    /// log: stream (out, err), source_type, message, or message_base64 if it is not UTF-8.
    /// counter: name, delta, total. value: name, value, unit. error: source, code, message.
    /// container: cpu_percentage, memory_bytes, disk_bytes, memory_bytes_quota, disk_bytes_quota.
    /// http: method, uri, status_code, start, stop, duration_ns, content_length, peer_type,
    /// remote_address, user_agent, request_id, instance_id, forwarded.
    #[arg(long)]
    pub(super) json: bool,
    /// Only envelopes of these types.
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    pub(super) types: Vec<Kind>,
    /// Only logs of these kinds of source; APP includes APP/PROC/WEB.
    #[arg(long, value_name = "SOURCE", value_delimiter = ',')]
    pub(super) source_type: Vec<String>,
    /// Only what this instance of the app says or uses, or was asked.
    #[arg(long, value_name = "INDEX")]
    pub(super) instance: Option<u32>,
    /// Only logs written to stderr.
    #[arg(long, conflicts_with = "out")]
    pub(super) err: bool,
    /// Only logs written to stdout.
    #[arg(long)]
    pub(super) out: bool,
}

/// What becomes of a stream that ends.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "When the connection ends")]
pub(super) struct StreamArguments {
    /// End with it, instead of connecting again after 0.5 s, 1 s, 2 s … 60 s.
    #[arg(long)]
    pub(super) no_reconnect: bool,
    /// A connection over which nothing comes for so long, not even a ping, is given up.
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) idle_seconds: u64,
}

/// A type of envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// A line that an app or the platform wrote about it.
    Log,
    /// A count that grows.
    Counter,
    /// A value measured at one moment; gauge is the same.
    #[value(alias = "gauge")]
    Value,
    /// What an app's instance uses.
    Container,
    /// A request and its answer; timer is the same.
    #[value(alias = "timer")]
    Http,
    /// A failure of an emitter.
    Error,
}

impl Kind {
    /// As the command line and JSON have it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Counter => "counter",
            Self::Value => "value",
            Self::Container => "container",
            Self::Http => "http",
            Self::Error => "error",
        }
    }
}
