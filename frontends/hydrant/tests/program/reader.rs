//! A `hydrant` that reads: `tail`, `recent` or `firehose`, started as a process.

use crate::process::{HYDRANT, PATIENCE, wait_until};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};

/// What the tests have for tokens. No reader may tell one.
const SECRETS: [&str; 4] = ["tok-old", "tok-new", "ref-old", "ref-new"];

/// A running client.
pub(crate) struct Reader {
    child: Child,
    stdout: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
}

/// How it ended.
pub(crate) struct Ended {
    pub(crate) is_success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Reader {
    /// Starts one that knows no more than these variables.
    pub(crate) fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(HYDRANT);
        command.args(arguments).env_clear();
        command.envs(variables.iter().copied());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (lines, stdout) = mpsc::channel();
        let from = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in from.lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        let mut from = child.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut said = String::new();
            from.read_to_string(&mut said).unwrap();
            said
        });
        Self {
            child,
            stdout,
            stderr: Some(stderr),
        }
    }

    /// Runs one to its end.
    pub(crate) fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        Self::start(arguments, variables).end()
    }

    /// The next line it prints.
    pub(crate) fn line(&self) -> String {
        self.stdout.recv_timeout(PATIENCE).unwrap()
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(self) -> Ended {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", "INT", &process]).status();
        assert!(sent.unwrap().success());
        self.end()
    }

    /// Waits for it, and checks that it has told no secret.
    fn end(mut self) -> Ended {
        wait_until("the client", || self.child.try_wait().unwrap().is_some());
        let stdout: Vec<_> = self.stdout.iter().collect();
        let ended = Ended {
            is_success: self.child.wait().unwrap().success(),
            stdout: stdout.join("\n"),
            stderr: self.stderr.take().unwrap().join().unwrap(),
        };
        for secret in SECRETS {
            assert!(!ended.stderr.contains(secret), "{}", ended.stderr);
        }
        ended
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // It may be gone already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
