//! The files for those to whom we connect. Upstream's Traffic Controller reads them all at its
//! start: also those for UAA and the Cloud Controller, although it may never ask either.

use super::TrafficControllerSettings;
use crate::roles::Fatal;
use hydrant_rpc::tls::{TlsError, check_authorities};

impl TrafficControllerSettings {
    /// Whether the files can be used.
    ///
    /// # Errors
    /// What upstream dies with: in its words, unless it is about what is in a file.
    pub fn check_files(&self) -> Result<(), Fatal> {
        let fatal = |what: &str, error: TlsError| {
            let problem = format_args!("{what}: {}", self.in_upstreams_words(error));
            Fatal::new(self.log_stamp, problem)
        };
        self.tls
            .check()
            .map_err(|error| fatal("Could not use GRPC creds for client", error))?;
        check_authorities(&self.uaa.ca)
            .map_err(|error| fatal("Unable to create UAA HTTP Client", error))?;
        self.cloud_controller
            .files
            .tls()
            .check()
            .map_err(|error| fatal("Unable to create CC HTTP Client", error))
    }

    fn in_upstreams_words(&self, error: TlsError) -> String {
        let authorities = [
            &self.tls.ca_file,
            &self.uaa.ca,
            &self.cloud_controller.files.ca,
        ];
        match error {
            TlsError::Unreadable { file, source } if authorities.contains(&&file) => {
                format!("failed to read certificate(s) at path {file:?}: {source}")
            }
            TlsError::Unreadable { file, source } => {
                format!("failed to load keypair: open {}: {source}", file.display())
            }
            error => error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::gateway::Files;
    use crate::roles::traffic_controller::tests::settings;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
    use std::fs;
    use std::path::PathBuf;

    /// A directory with a certificate that is its own authority, removed at the end.
    struct Directory(PathBuf);

    impl Directory {
        fn new() -> Self {
            let name = format!("hydrant-traffic-controller-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir(&path).unwrap();
            let mut params = CertificateParams::new(vec!["cc".to_owned()]).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap().pem();
            fs::write(path.join("crt"), certificate).unwrap();
            fs::write(path.join("key"), key.serialize_pem()).unwrap();
            Self(path)
        }

        /// Settings whose files are all there.
        fn settings(&self) -> TrafficControllerSettings {
            let mut settings = settings(&[]);
            let files = Files {
                cert: self.0.join("crt"),
                key: self.0.join("key"),
                ca: self.0.join("crt"),
            };
            settings.tls = files.tls();
            settings.uaa.ca = files.ca.clone();
            settings.cloud_controller.files = files;
            settings
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn each_file_is_looked_at() {
        let directory = Directory::new();
        let said = |change: fn(&mut TrafficControllerSettings, PathBuf), path: &str| {
            let mut settings = directory.settings();
            change(&mut settings, PathBuf::from(path));
            settings.check_files().unwrap_err().to_string()
        };
        directory.settings().check_files().unwrap();
        let uaa = said(|settings, path| settings.uaa.ca = path, "");
        let expected = "failed to read certificate(s) at path \"\": No such file";
        let expected = format!("Unable to create UAA HTTP Client: {expected}");
        assert!(uaa.starts_with(&expected), "{uaa}");
        let error = said(
            |settings, path| settings.cloud_controller.files.cert = path,
            "",
        );
        let expected = "Unable to create CC HTTP Client: failed to load keypair: open : No such";
        assert!(error.starts_with(expected), "{error}");
        let error = said(
            |settings, path| settings.cloud_controller.files.ca = path,
            "/n/ca",
        );
        let expected = "failed to read certificate(s) at path \"/n/ca\": No such file";
        let expected = format!("Unable to create CC HTTP Client: {expected}");
        assert!(error.starts_with(&expected), "{error}");
        let error = said(|settings, path| settings.tls.key_file = path, "/n/key");
        let expected = "Could not use GRPC creds for client: failed to load keypair: open /n/key: ";
        assert!(error.starts_with(expected), "{error}");
        let key = directory.0.join("key");
        let error = said(
            |settings, path| settings.uaa.ca = path,
            key.to_str().unwrap(),
        );
        assert!(error.ends_with("key: no certificate in it"), "{error}");
    }
}
