//! Any text as the `[engine]` table: a config or an error, never a panic.

#![no_main]

use hydrant_engine::config::EngineConfig;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(config) = toml::from_str::<EngineConfig>(text) {
        // Either verdict will do.
        config.check(2, 1).ok();
    }
});
