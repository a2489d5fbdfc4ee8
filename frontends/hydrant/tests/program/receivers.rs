//! A real syslog server as the drain: Debian's rsyslog, started here on loopback.

use crate::emitters::UdpEmitter;
use crate::envelopes::v1_log;
use crate::process::{Server, file, path, skip, wait_until};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const APPS: u64 = 10;
const LINES: u64 = 10_000;

/// Takes octet-counted messages and writes the fields that it found, a line each.
const CONFIG: &str = r#"
global(workDirectory="FOLDER")
module(load="imtcp")
template(name="fields" type="string"
    string="%pri%|%timereported:::date-rfc3339%|%hostname%|%app-name%|%procid%|%msgid%|%structured-data%|%msg%\n")
ruleset(name="drain") { action(type="omfile" file="OUTPUT" template="fields") }
input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="PORT" ruleset="drain")
"#;

struct Rsyslog {
    child: Child,
    port: u16,
    output: PathBuf,
}

impl Rsyslog {
    fn start(program: &Path) -> Self {
        let (output, port_file) = (file("lines", ""), file("port", ""));
        let folder = output.parent().unwrap().to_str().unwrap();
        let config = CONFIG
            .replace("FOLDER", folder)
            .replace("OUTPUT", output.to_str().unwrap())
            .replace("PORT", port_file.to_str().unwrap());
        let child = Command::new(program)
            .args(["-n", "-i", path("pid").to_str().unwrap(), "-f"])
            .arg(file("rsyslog.conf", &config))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let port = || fs::read_to_string(&port_file).unwrap().trim().parse().ok();
        wait_until("rsyslog", || port().is_some());
        Self {
            child,
            port: port().unwrap(),
            output,
        }
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read(&self.output).unwrap();
        String::from_utf8(text)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn rsyslog_gets_every_line_in_order_with_its_fields() {
    let program = ["/usr/sbin/rsyslogd", "/sbin/rsyslogd"].map(Path::new);
    let Some(program) = program.into_iter().find(|path| path.exists()) else {
        return skip("rsyslog", "rsyslogd is not installed");
    };
    let rsyslog = Rsyslog::start(program);
    let drain = format!(
        "\n[[syslog.drains]]\nurl = \"syslog://127.0.0.1:{}?drain-data=all\"\nhostname = \"org.space.app\"\n",
        rsyslog.port
    );
    let server = Server::start(&drain);
    let mut udp = UdpEmitter::new(&server);
    for number in 0..LINES {
        let app = format!("app-{}", number % APPS);
        let time = 1_700_000_000_000_000_000 + i64::try_from(number).unwrap() * 1_000;
        udp.send(&v1_log(&app, &format!("line {number} of it"), time));
    }
    wait_until("all lines", || rsyslog.lines().len() as u64 >= LINES);
    let ledger = server.stop();
    assert!(ledger.contains(&format!("delivered {LINES}")), "{ledger}");
    let lines = rsyslog.lines();
    assert_eq!(lines.len() as u64, LINES);
    for app in 0..APPS {
        check_app(&lines, app);
    }
}

fn check_app(lines: &[String], app: u64) {
    let name = format!("app-{app}");
    let own: Vec<_> = lines
        .iter()
        .filter(|line| line.split('|').nth(3) == Some(&name))
        .collect();
    assert_eq!(own.len() as u64, LINES / APPS);
    for (index, line) in own.iter().enumerate() {
        let number = index as u64 * APPS + app;
        let fields: Vec<_> = line.split('|').collect();
        let micros = 1_700_000_000_000_000 + number;
        let time = jiff::Timestamp::from_microsecond(i64::try_from(micros).unwrap()).unwrap();
        let reported: jiff::Timestamp = fields[1].parse().unwrap();
        assert_eq!(
            (fields[0], reported, fields[2]),
            ("14", time, "org.space.app")
        );
        assert_eq!((fields[4], fields[5]), ("[APP/0]", "-"));
        assert!(fields[6].starts_with("[tags@47450 ") && fields[6].contains("origin=\"test\""));
        assert_eq!(fields[7].trim_start(), format!("line {number} of it"));
    }
}
