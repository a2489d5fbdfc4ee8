//! The security event log: a line in the Common Event Format for each request, before it is known
//! whether it is allowed (trafficcontroller, `internal/auth`). Upstream renders it with Go's
//! `html/template`, so that it has HTML's entities.
//!
//! Not as upstream: the value of `authorization` in a query, which is where the first generation's
//! clients have their token, is not shown; control characters of a decoded path, which could end a
//! line and begin another, stay percent-encoded; and nobody waits for the file.

mod file;

pub use file::{SecurityCounter, SecurityState};

use file::Appender;
use hyper::Request;
use hyper::header::HeaderMap;
use percent_encoding::percent_decode_str;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Appends lines to a file. Cheap to clone; when the last clone is dropped, all lines are in it.
#[derive(Clone, Debug)]
pub struct SecurityLog {
    appender: Arc<Appender>,
    product: &'static str,
    destination: Arc<(String, u16)>,
}

impl SecurityLog {
    /// Opens the file, or makes it with mode 0666 less the umask, and starts the thread that writes
    /// to it. `product` is what lines say that we are, `destination` the host and the port that they
    /// name as ours.
    ///
    /// # Errors
    /// The file cannot be opened, or the thread cannot be had.
    pub fn open(
        file: &Path,
        product: &'static str,
        destination: (String, u16),
    ) -> io::Result<Self> {
        Ok(Self {
            product,
            appender: Arc::new(Appender::open(file)?),
            destination: Arc::new(destination),
        })
    }

    /// Appends the line of a request that came from `peer` just now. Does not wait: a line for which
    /// there is no room is counted.
    pub fn append<B>(&self, request: &Request<B>, peer: SocketAddr) {
        let (host, port) = &*self.destination;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        let mut line = line(self.product, request, peer, now, (host, *port));
        line.push('\n');
        self.appender.append(line.as_bytes());
    }

    /// What was written and what was not.
    pub fn state(&self) -> Arc<SecurityState> {
        self.appender.state()
    }
}

/// The line of a request that came `since_epoch`.
fn line<B>(
    product: &str,
    request: &Request<B>,
    peer: SocketAddr,
    since_epoch: Duration,
    (host, port): (&str, u16),
) -> String {
    let path = path(request);
    let method = escaped(request.method().as_str());
    let request_id = escaped(&header(request.headers(), "x-vcap-request-id"));
    let (source_host, source_port) = source(request.headers(), peer);
    let time_ms = since_epoch.as_millis();
    format!(
        "CEF:0|cloud_foundry|{product}|1.0|{method} {path}|{method} {path}|0|\
         rt={time_ms} cs1Label=userAuthenticationMechanism cs1=oauth-access-token \
         cs2Label=vcapRequestId cs2={request_id} request={path} requestMethod={method} \
         src={} spt={} dst={} dpt={port}",
        escaped(&source_host),
        escaped(&source_port),
        escaped(host),
    )
}

/// The decoded path, and the query as it came but for tokens; escaped.
fn path<B>(request: &Request<B>) -> String {
    let decoded = percent_decode_str(request.uri().path()).decode_utf8_lossy();
    let mut path = decoded.into_owned();
    if let Some(query) = request.uri().query().filter(|query| !query.is_empty()) {
        path.push('?');
        push_redacted(&mut path, query);
    }
    escaped(&path)
}

/// Both separators count, whichever is one for who reads the query.
fn push_redacted(path: &mut String, query: &str) {
    for pair in query.split_inclusive(['&', ';']) {
        let end = pair.trim_end_matches(['&', ';']).len();
        match pair[..end].split_once('=') {
            Some((name, _)) if is_token(name) => {
                path.push_str(name);
                path.push_str("=[redacted]");
                path.push_str(&pair[end..]);
            }
            _ => path.push_str(pair),
        }
    }
}

fn is_token(name: &str) -> bool {
    let name = percent_decode_str(name).decode_utf8_lossy();
    name.eq_ignore_ascii_case("authorization")
}

/// Host and port of who asks: the first of those for whom it was forwarded, whose port is unknown
/// more often than not, or else the peer.
fn source(headers: &HeaderMap, peer: SocketAddr) -> (String, String) {
    let forwarded = header(headers, "x-forwarded-for");
    let first = forwarded.split(',').next().unwrap_or_default();
    if first.is_empty() {
        return (
            peer.ip().to_canonical().to_string(),
            peer.port().to_string(),
        );
    }
    let parts = if first.contains(':') {
        split(first).unwrap_or_default()
    } else {
        (first, "")
    };
    (parts.0.to_owned(), parts.1.to_owned())
}

/// `host:port` or `[host]:port`, where only a host in brackets has colons, as Go's
/// `net.SplitHostPort` has it.
fn split(address: &str) -> Option<(&str, &str)> {
    let (host, port) = address.rsplit_once(':')?;
    let bracketed = host.strip_prefix('[');
    let host = match bracketed {
        Some(rest) => rest.strip_suffix(']')?,
        None => host,
    };
    let is_plain = bracketed.is_some() || !host.contains(':');
    let has_brackets = [host, port].iter().any(|part| part.contains(['[', ']']));
    (is_plain && !has_brackets).then_some((host, port))
}

/// The first value of a header; nothing if there is none.
fn header(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).map(|value| value.as_bytes());
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
}

/// What Go's `html/template` does to text. What could end the line is percent-encoded.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            '+' => escaped.push_str("&#43;"),
            character if character.is_control() => push_encoded(&mut escaped, character),
            character => escaped.push(character),
        }
    }
    escaped
}

fn push_encoded(text: &mut String, character: char) {
    for byte in character.encode_utf8(&mut [0; 4]).bytes() {
        write!(text, "%{byte:02X}").ok(); // A string takes everything.
    }
}

#[cfg(test)]
mod tests;
