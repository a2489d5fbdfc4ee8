//! The operator's drains, from a YAML file as BOSH renders it.

use crate::binding::Credentials;
use crate::limits::AGGREGATES_BYTES_MAX;
use crate::secret::Secret;
use crate::wire::DrainUrl;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use yaml_rust2::{Yaml, YamlLoader};

/// Why the file cannot be used. Shows nothing of what stands there.
#[derive(Debug, thiserror::Error)]
pub enum AggregatesError {
    /// It cannot be read.
    #[error("{}: cannot be read: {error}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is not YAML.
    #[error("{}: is not YAML: line {line}, column {column}", .file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// Where.
        line: usize,
        /// Where in the line, from 1.
        column: usize,
    },
    /// It is YAML of something else.
    #[error("{}: {problem}", .file.display())]
    Shape {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// Reads the drains of a file, in its order.
pub(super) fn read(file: &Path) -> Result<Vec<DrainUrl>, AggregatesError> {
    let text = text(file).map_err(|error| AggregatesError::Read {
        file: file.to_owned(),
        error,
    })?;
    let documents = YamlLoader::load_from_str(&text);
    let documents = documents.map_err(|error| AggregatesError::Syntax {
        file: file.to_owned(),
        line: error.marker().line(),
        column: error.marker().col() + 1,
    })?;
    drains(documents.first()).map_err(|problem| AggregatesError::Shape {
        file: file.to_owned(),
        problem,
    })
}

fn text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(file)?;
    let length = file
        .take(AGGREGATES_BYTES_MAX + 1)
        .read_to_string(&mut text)?;
    if u64::try_from(length).is_ok_and(|length| length <= AGGREGATES_BYTES_MAX) {
        return Ok(text);
    }
    let problem = format!("it is longer than {AGGREGATES_BYTES_MAX} bytes");
    Err(io::Error::new(io::ErrorKind::FileTooLarge, problem))
}

fn drains(document: Option<&Yaml>) -> Result<Vec<DrainUrl>, String> {
    match document {
        None | Some(Yaml::Null) => Ok(Vec::new()),
        Some(Yaml::Array(list)) => {
            let drain = |(index, item)| drain(item).map_err(|wrong| format!("[{index}]: {wrong}"));
            list.iter().enumerate().map(drain).collect()
        }
        Some(_) => Err("a list of drains is needed".to_owned()),
    }
}

fn drain(item: &Yaml) -> Result<DrainUrl, String> {
    if !matches!(item, Yaml::Hash(_)) {
        return Err("keys `url`, `cert`, `key` and `ca` are needed".to_owned());
    }
    let text = |name: &str| match &item[name] {
        Yaml::String(text) => Ok(Secret::from(text.as_str())),
        Yaml::BadValue | Yaml::Null => Ok(Secret::default()),
        _ => Err(format!("{name}: a text is needed")),
    };
    let mut ca = text("ca")?;
    if ca.is_empty() {
        // As the job's own example has it, which upstream does not read.
        ca = text("CA")?;
    }
    let credentials = Credentials {
        cert: text("cert")?,
        key: text("key")?,
        ca,
    };
    Ok(DrainUrl::aggregate(text("url")?, credentials))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;

    fn served(yaml: &str) -> Result<String, String> {
        let documents = YamlLoader::load_from_str(yaml).unwrap();
        let drains = drains(documents.first())?;
        Ok(String::from_utf8(wire::aggregate(&drains)).unwrap())
    }

    #[test]
    fn drains_have_their_credentials_and_no_apps() {
        let yaml = "---\n- url: \"syslog://a:1?x=1&y\"\n  ca: |\n    C1\n    C2\n  cert: cert\n  key: key\n\
                    - url: syslog://b:1\n  CA: other\n  more: [1]\n- url: syslog://c:1\n  key:\n";
        let expected = concat!(
            r#"[{"url":"syslog://a:1?x=1\u0026y","credentials":[{"cert":"cert","key":"key","ca":"C1\nC2\n","apps":null}]},"#,
            r#"{"url":"syslog://b:1","credentials":[{"cert":"","key":"","ca":"other","apps":null}]},"#,
            r#"{"url":"syslog://c:1","credentials":[{"cert":"","key":"","ca":"","apps":null}]}]"#,
            "\n"
        );
        assert_eq!(served(yaml), Ok(expected.to_owned()));
    }

    #[test]
    fn nothing_is_no_drain() {
        for yaml in ["", "--- []\n", "---\n", "# none", "null"] {
            assert_eq!(served(yaml), Ok("null\n".to_owned()), "{yaml}");
        }
    }

    #[test]
    fn what_is_wrong_is_placed_and_not_shown() {
        for (yaml, wrong) in [
            ("hush", "a list of drains is needed"),
            ("url: hush", "a list of drains is needed"),
            (
                "- url: a\n- hush",
                "[1]: keys `url`, `cert`, `key` and `ca` are needed",
            ),
            ("- key: [hush]", "[0]: key: a text is needed"),
        ] {
            assert_eq!(served(yaml), Err(wrong.to_owned()));
        }
        let path = std::env::temp_dir().join(format!("hydrant-aggregates-{}", std::process::id()));
        std::fs::write(&path, "- url: 'hush'\n- key: [hush").unwrap();
        let error = read(&path).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(error.contains(": is not YAML: line "), "{error}");
        assert!(
            !error.contains("hush,") && !error.contains("[hush"),
            "{error}"
        );
        let error = read(Path::new("no/such.yml")).unwrap_err().to_string();
        assert!(
            error.starts_with("no/such.yml: cannot be read: "),
            "{error}"
        );
    }
}
