//! Access control against a UAA and a Cloud Controller of our own making.

mod answers;
mod cache;
mod crowd;
mod offline;

use crate::fakes::{FakeCapi, FakeUaa, access_config};
use crate::{Access, AccessCounter, AccessState, Allowance, Question};
use hyper::header::HeaderValue;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

const GUID: &str = "deadbeef-dead-dead-dead-deaddeafbeef";

/// Access control with its peers.
struct Rig {
    uaa: FakeUaa,
    capi: FakeCapi,
    state: Arc<AccessState>,
    access: Access,
    runtime: Runtime,
}

impl Rig {
    /// Nothing is remembered, and answers come within a long time.
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Allowance)) -> Self {
        let (uaa, capi) = (FakeUaa::new(), FakeCapi::new());
        let mut allowance = Allowance::default();
        change(&mut allowance);
        let state = Arc::<AccessState>::default();
        let access = Access::new(&access_config(&uaa, &capi), allowance, state.clone()).unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Self {
            uaa,
            capi,
            state,
            access,
            runtime,
        }
    }

    fn reads_firehose(&self, token: &str) -> bool {
        let token = header(token);
        self.runtime.block_on(self.access.may_read_firehose(&token))
    }

    fn log_access(&self, token: &str, guid: &str) -> crate::LogAccess {
        let token = header(token);
        self.runtime.block_on(self.access.log_access(&token, guid))
    }

    /// What a kind of questions stands at, in the order of the counters.
    fn counts(&self, question: Question) -> Vec<(AccessCounter, u64)> {
        let count = |counter: &AccessCounter| (*counter, self.state.get(question, *counter));
        let counts = AccessCounter::ALL.iter().map(count);
        counts.filter(|(_, count)| *count > 0).collect()
    }
}

fn header(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap()
}

const HURRY: Duration = Duration::from_millis(300);

/// A folder of one test, gone with it.
pub(crate) struct TempFolder(PathBuf);

impl TempFolder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("hydrant-access-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn guids() {
    assert!(crate::is_guid(GUID));
    assert!(crate::is_guid("01234567-89AB-CDEF-0123-456789abcdef"));
    for other in [
        "",
        "deadbeef",
        "deadbeef-dead-dead-dead-deaddeafbeef\n",
        "deadbeef-dead-dead-dead-deaddeafbee",
        "deadbeef-dead-dead-dead-deaddeafbeeg",
        "deadbeefd-ead-dead-dead-deaddeafbeef",
        "deadbeef-dead-dead-dead-dead-eafbeef",
        "deadbeef/dead/dead/dead/deaddeafbeef",
    ] {
        assert!(!crate::is_guid(other), "{other}");
    }
}
