//! Debian's Prometheus with our series, as a process on a port of loopback.

use crate::data::Named;
use hydrant_promql::format_value;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

/// Whether it is installed. If not, that is said.
pub(crate) fn is_installed() -> bool {
    let has = |program: &str| {
        let mut command = Command::new(program);
        command
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let is_installed = has("prometheus") && has("promtool");
    if !is_installed {
        // Past the capture of output.
        let text = b"SKIPPED oracle: prometheus is not installed; `just peers` installs it\n";
        std::io::stderr().write_all(text).unwrap();
    }
    is_installed
}

pub(crate) struct Prometheus {
    process: Child,
    port: u16,
    folder: PathBuf,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

impl Prometheus {
    /// Loads the series and waits until questions are answered.
    pub(crate) fn start(series: &[Named]) -> Self {
        let folder = env::temp_dir().join(format!("hydrant-promql-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("series"), open_metrics(series)).unwrap();
        fs::write(folder.join("config.yml"), "global: {}\n").unwrap();
        load(&folder);
        let port = free_port();
        let process = Command::new("prometheus")
            .arg(format!(
                "--config.file={}",
                folder.join("config.yml").display()
            ))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("tsdb").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--storage.tsdb.retention.time=100y", "--log.level=error"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let prometheus = Self {
            process,
            port,
            folder,
        };
        prometheus.wait();
        prometheus
    }

    fn wait(&self) {
        let patience = Instant::now() + Duration::from_secs(60);
        while !self
            .get("/-/ready")
            .is_some_and(|answer| answer.starts_with("HTTP/1.0 200"))
        {
            assert!(Instant::now() < patience, "prometheus does not answer");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// The body of an answer to a question with these parameters.
    pub(crate) fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> String {
        let encoded = parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)));
        let target = format!("/api/v1/{path}?{}", encoded.collect::<Vec<_>>().join("&"));
        let answer = self.get(&target).expect("prometheus answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
        body.to_owned()
    }

    /// By HTTP/1.0, so that the answer ends with the connection.
    fn get(&self, target: &str) -> Option<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        write!(stream, "GET {target} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }
}

fn load(folder: &Path) {
    let loaded = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([folder.join("series"), folder.join("tsdb")])
        .output()
        .unwrap();
    assert!(
        loaded.status.success(),
        "{}",
        String::from_utf8_lossy(&loaded.stderr)
    );
}

/// Free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn open_metrics(series: &[Named]) -> String {
    let mut out = String::new();
    for Named { name, series } in series {
        let label = |(name, value): (&str, &str)| {
            format!(
                "{name}=\"{}\"",
                value.replace('\\', "\\\\").replace('"', "\\\"")
            )
        };
        let labels = series
            .labels
            .iter()
            .map(label)
            .collect::<Vec<_>>()
            .join(",");
        for (time_ms, value) in &series.samples {
            let (s, ms) = (time_ms / 1_000, time_ms % 1_000);
            writeln!(
                out,
                "{name}{{{labels}}} {} {s}.{ms:03}",
                format_value(*value)
            )
            .unwrap();
        }
    }
    out + "# EOF\n"
}

fn encoded(value: &str) -> String {
    let byte = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    value.bytes().map(byte).collect()
}
