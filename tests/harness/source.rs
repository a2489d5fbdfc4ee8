//! The project's own source text, for cases that hold it to its rules.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its place below the folder that was asked for, with `/`.
    pub path: String,
    /// Its text without comments, and without the module `tests` at its end.
    pub code: String,
}

impl SourceFile {
    /// The module of the crate's root that it belongs to: `ring` for `ring.rs` and for
    /// `ring/memory.rs`.
    pub fn module(&self) -> &str {
        let end = self.path.find(['/', '.']).unwrap_or(self.path.len());
        &self.path[..end]
    }
}

/// A folder of this workspace.
pub fn workspace_path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// All Rust files in a folder of this workspace and below it, ordered by path. Files that hold
/// nothing but tests (`*_tests.rs`) and what a build leaves behind are left out.
///
/// # Panics
/// If the folder cannot be read.
pub fn rust_files(folder: &str) -> Vec<SourceFile> {
    let root = workspace_path(folder);
    let mut files = Vec::new();
    gather(&root, &root, &mut files);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

fn gather(root: &Path, folder: &Path, files: &mut Vec<SourceFile>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        let name = path.to_string_lossy().into_owned();
        if path.is_dir() {
            if !path.ends_with("target") {
                gather(root, &path, files);
            }
        } else if name.ends_with(".rs") && !name.ends_with("_tests.rs") {
            let text = fs::read_to_string(&path).expect("source is text");
            let below = path.strip_prefix(root).expect("it was found there");
            files.push(SourceFile {
                path: below.to_string_lossy().replace('\\', "/"),
                code: without_comments(without_tests(&text)),
            });
        }
    }
}

fn without_tests(text: &str) -> &str {
    let end = text.find("\n#[cfg(test)]\nmod tests {");
    &text[..end.unwrap_or(text.len())]
}

/// Line comments are the only ones that the project's style knows.
fn without_comments(text: &str) -> String {
    let code = |line: &str| {
        let end = line.find("//").unwrap_or(line.len());
        line[..end].to_owned() + "\n"
    };
    text.lines().map(code).collect()
}

/// Whether `word` stands in `code` by itself, not as a part of a longer name.
pub fn has_word(code: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_tests_are_no_code() {
        let text = "use a; // unsafe\n/// unsafe\nfn f() {}\n\n#[cfg(test)]\nmod tests {\n unsafe";
        let code = without_comments(without_tests(text));
        assert_eq!(code.trim_end(), "use a; \n\nfn f() {}");
    }

    #[test]
    fn words_stand_by_themselves() {
        assert!(has_word("x unsafe { }", "unsafe"));
        assert!(!has_word("unsafe_code", "unsafe"));
        assert!(!has_word("LaneCounter::Full", "Counter::Full"));
    }
}
