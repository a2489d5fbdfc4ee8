//! The files by which the agents of a host say that they want what the forwarder has: each names a port
//! of 127.0.0.1, and perhaps a protocol.

use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// What the files of a pattern say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Downstream {
    /// Those who take v2 envelopes, in the order of their files.
    pub ports: Vec<u16>,
    /// What is to be said of files that are not used.
    pub notices: Vec<String>,
}

/// Why a file cannot be used, in upstream's words.
#[derive(Debug, thiserror::Error)]
pub enum DownstreamError {
    /// The pattern is none.
    #[error("Unable to read downstream port location")]
    Pattern,
    /// A file cannot be read.
    #[error("cannot read file: open {}: {error}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A file is not YAML of the right form.
    #[error("Unmarshal: {}: {problem}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// What a file says. There may be more in it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PortFile {
    ingress: Option<Port>,
    protocol: Option<String>,
}

/// YAML that looks like a number is one, unless it is quoted.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Port {
    Number(u64),
    Text(String),
}

/// Upstream's name of OpenTelemetry's protocol; every other one, and none, is Loggregator's.
const OTEL: &str = "otelcol";

impl Downstream {
    /// Reads the files of a pattern of shells, in the order of their names.
    ///
    /// # Errors
    /// The pattern is none, or a file cannot be used.
    pub fn find(pattern: &str) -> Result<Self, DownstreamError> {
        let mut downstream = Self::default();
        if pattern.is_empty() {
            return Ok(downstream);
        }
        // What a directory cannot show is not there, as for upstream.
        let paths = glob::glob(pattern).or(Err(DownstreamError::Pattern))?;
        for path in paths.filter_map(Result::ok) {
            downstream.add(&path)?;
        }
        Ok(downstream)
    }

    fn add(&mut self, path: &Path) -> Result<(), DownstreamError> {
        let malformed = |problem: String| DownstreamError::Malformed {
            path: path.to_owned(),
            problem,
        };
        let text = fs::read_to_string(path).map_err(|error| DownstreamError::Unreadable {
            path: path.to_owned(),
            error,
        })?;
        let file: Option<PortFile> =
            serde_saphyr::from_str(&text).map_err(|error| malformed(first_line(&error)))?;
        let PortFile { ingress, protocol } = file.unwrap_or_default();
        let shown = path.display();
        let port = match ingress {
            Some(Port::Number(number)) => number.to_string(),
            Some(Port::Text(text)) => text,
            None => String::new(),
        };
        if port.is_empty() {
            self.notices.push(format!(
                "No ingress port defined in {shown}. Ignoring this destination."
            ));
            return Ok(());
        }
        let port: u16 = match port.parse() {
            Ok(port @ 1..) => port,
            _ => return Err(malformed(format!("ingress {port:?} is no port"))),
        };
        if protocol.as_deref() == Some(OTEL) {
            self.notices.push(format!(
                "{shown}: the protocol {OTEL} is not supported: nothing is sent to 127.0.0.1:{port}"
            ));
        } else {
            self.ports.push(port);
        }
        Ok(())
    }
}

/// The rest shows the file's text.
fn first_line(error: &serde_saphyr::Error) -> String {
    error
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A directory of jobs, each with a file, removed at the end.
    struct Jobs(PathBuf);

    impl Jobs {
        fn new(files: &[(&str, &str)]) -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("hydrant-downstream-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            for (job, text) in files {
                let config = path.join(job).join("config");
                fs::create_dir_all(&config).unwrap();
                fs::write(config.join("ingress_port.yml"), text).unwrap();
            }
            Self(path)
        }

        fn find(&self) -> Result<Downstream, String> {
            let pattern = format!("{}/*/config/ingress_port.yml", self.0.display());
            Downstream::find(&pattern).map_err(|error| error.to_string())
        }
    }

    impl Drop for Jobs {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn every_port_is_found_in_the_order_of_the_files() {
        let jobs = Jobs::new(&[
            ("b", "ingress: 3460\nprotocol: loggregator\n"),
            ("a", "---\ningress: \"3459\"\nother: [1, 2]\n"),
            ("c", "ingress: 3461\nprotocol: whatever\n"),
        ]);
        let downstream = jobs.find().unwrap();
        assert_eq!(downstream.ports, [3459, 3460, 3461]);
        assert!(downstream.notices.is_empty());
    }

    #[test]
    fn files_that_are_not_used_are_told_of() {
        let jobs = Jobs::new(&[
            ("a", ""),
            ("b", "protocol: otelcol\n"),
            ("c", "ingress: 4317\nprotocol: otelcol\n"),
            ("d", "ingress: ''\n"),
        ]);
        let downstream = jobs.find().unwrap();
        assert!(downstream.ports.is_empty());
        let [a, b, c, d] = &downstream.notices[..] else {
            panic!("{:?}", downstream.notices)
        };
        for notice in [a, b, d] {
            assert!(
                notice.starts_with("No ingress port defined in "),
                "{notice}"
            );
        }
        assert!(c.ends_with("nothing is sent to 127.0.0.1:4317"), "{c}");
    }

    #[test]
    fn a_file_that_cannot_be_used_is_fatal() {
        for text in [
            "ingress: [1",
            "ingress: seventy\n",
            "ingress: 65536\n",
            "- a\n",
        ] {
            let error = Jobs::new(&[("a", text)]).find().unwrap_err();
            assert!(error.starts_with("Unmarshal: "), "{text}: {error}");
        }
        let jobs = Jobs::new(&[("a", "")]);
        fs::create_dir(jobs.0.join("x.yml")).unwrap();
        let error = Downstream::find(&format!("{}/*.yml", jobs.0.display())).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot read file: "),
            "{error}"
        );
        let error = Downstream::find("/x/[").unwrap_err().to_string();
        assert_eq!(error, "Unable to read downstream port location");
    }

    #[test]
    fn no_pattern_and_no_file_are_no_error() {
        assert_eq!(Downstream::find("").unwrap(), Downstream::default());
        let none = Downstream::find("/no/such/*/file.yml").unwrap();
        assert_eq!(none, Downstream::default());
    }
}
