//! Any text as a query: what is printed of it is the same query, and planning it is an error at worst.

#![no_main]

use hydrant_promql::Query;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(query) = Query::parse(text) else {
        return;
    };
    let printed = query.to_string();
    let again = Query::parse(&printed).expect("it is a query");
    assert_eq!(again.to_string(), printed);
    if let Ok(evaluation) = query.instant(0) {
        let nothing = evaluation.selections().iter().map(|_| Vec::new()).collect();
        // It may take too many steps.
        evaluation.evaluate(nothing, &|| false).ok();
    }
});
