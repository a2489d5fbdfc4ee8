//! Rules of the engine's source that the compiler does not check.

use hydrant_engine::counters::{Counter, LaneCounter, Loss};
use hydrant_tests::source::{SourceFile, has_word, rust_files, workspace_path};
use std::fmt::Debug;
use std::fs;

const ENGINE: &str = "engine/src";
const PROMQL: &str = "frontends/promql/src";
const LOG_CACHE: &str = "frontends/log-cache/src";
const LOG_CACHE_REST: &str = "frontends/log-cache-rest/src";
const LOG_CACHE_SYSLOG: &str = "frontends/log-cache-syslog/src";

fn engine() -> Vec<SourceFile> {
    let files = rust_files(ENGINE);
    assert!(files.len() > 20, "the engine has more files than that");
    files
}

/// The modules of a folder's `lib.rs`, in its order.
fn modules(folder: &str) -> Vec<String> {
    let lib = fs::read_to_string(workspace_path(folder).join("lib.rs")).unwrap();
    let name = |line: &str| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
    };
    let modules: Vec<_> = lib.lines().filter_map(name).collect();
    assert!(modules.len() > 10, "{modules:?}");
    modules
}

/// Names that follow `crate::` in code: `crate::a::b`, `crate::{a::b, c}`.
fn used_modules(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (at, word) in code.match_indices("crate::") {
        let rest = &code[at + word.len()..];
        let group = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        match group {
            Some((group, _)) => used.extend(group.split(',').filter_map(first_name)),
            None => used.extend(first_name(rest)),
        }
    }
    used
}

fn first_name(text: &str) -> Option<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let text = text.trim_start();
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

#[test]
fn a_module_uses_only_those_above_it() {
    only_those_above(ENGINE);
    only_those_above(PROMQL);
    only_those_above(LOG_CACHE);
    only_those_above(LOG_CACHE_REST);
    only_those_above(LOG_CACHE_SYSLOG);
}

fn only_those_above(folder: &str) {
    let modules = modules(folder);
    let place = |name: &str| modules.iter().position(|module| module == name);
    let mut edges = 0;
    let files = rust_files(folder).into_iter();
    for file in files.filter(|file| file.path != "lib.rs" && file.module() != "tests") {
        let own = place(file.module()).unwrap_or_else(|| panic!("{} is in no list", file.path));
        for used in used_modules(&file.code) {
            let above = place(&used).unwrap_or_else(|| panic!("{}: crate::{used}", file.path));
            assert!(above <= own, "{} uses {used}, which is below it", file.path);
            edges += 1;
        }
    }
    assert!(edges > 20, "so few uses ({edges}) that they were not found");
}

#[test]
fn uses_are_found_in_every_form() {
    let code = "use crate::a::B;\nuse crate::{c, d::E};\nfn f(g: crate::h::I) {}";
    assert_eq!(used_modules(code), ["a", "c", "d", "h"]);
}

#[test]
fn the_engine_knows_no_runtime_no_generated_code_and_no_frontend() {
    has_no_strangers("engine", "io-uring");
}

#[test]
fn the_query_language_knows_nothing_of_ours_and_no_runtime() {
    has_no_strangers("frontends/promql", "promql-parser");
}

/// `known` shows that dependencies are found.
fn has_no_strangers(folder: &str, known: &str) {
    let manifest = workspace_path(folder).join("Cargo.toml");
    let manifest: toml::Table = fs::read_to_string(manifest).unwrap().parse().unwrap();
    let mut names = Vec::new();
    dependencies(&manifest, &mut names);
    assert!(names.contains(&known.to_owned()), "{names:?}");
    for name in names {
        let is_strange = [
            "hydrant", "tokio", "prost", "tonic", "hyper", "async", "futures",
        ]
        .iter()
        .any(|stranger| name.starts_with(stranger));
        assert!(!is_strange, "{folder} depends on {name}");
    }
}

/// Names in every table of dependencies, those for tests and for targets too.
fn dependencies(table: &toml::Table, names: &mut Vec<String>) {
    for (key, value) in table {
        let Some(inner) = value.as_table() else {
            continue;
        };
        if key.ends_with("dependencies") {
            names.extend(inner.keys().cloned());
        } else {
            dependencies(inner, names);
        }
    }
}

#[test]
fn unsafe_has_two_addresses() {
    let mut found = Vec::new();
    for file in engine() {
        if has_word(&file.code, "unsafe") {
            assert!(
                ["ring", "uring"].contains(&file.module()),
                "unsafe in {}",
                file.path
            );
            found.push(file.module().to_owned());
        }
    }
    found.dedup();
    assert_eq!(found, ["ring", "uring"]);
    for crate_folder in ["proto/src", "frontends", "perf", "tests"] {
        for file in rust_files(crate_folder) {
            let is_free = !has_word(&file.code, "unsafe {") && !has_word(&file.code, "unsafe fn");
            assert!(
                is_free || file.path.ends_with("layering.rs"),
                "{}",
                file.path
            );
        }
    }
}

#[test]
fn everything_that_has_a_counter_is_counted() {
    let mut files = engine();
    files.extend(rust_files("frontends/grpc/src")); // Its threads are shards too.
    let check = |set: &str, variants: Vec<String>| {
        for variant in variants {
            let name = format!("{set}::{variant}");
            let is_counted = files.iter().any(|file| has_word(&file.code, &name));
            assert!(is_counted, "nothing counts {name}");
        }
    };
    check("Counter", names(Counter::ALL));
    check("Loss", names(Loss::ALL));
    check("LaneCounter", names(LaneCounter::ALL));
}

fn names(variants: &[impl Debug]) -> Vec<String> {
    variants
        .iter()
        .map(|variant| format!("{variant:?}"))
        .collect()
}
