//! `label_replace` and `label_join`.

use crate::eval::Evaluated;
use crate::eval_error::EvalError;
use crate::expr::Expr;
use crate::frame::{Row, merged};
use crate::matcher::anchored;
use crate::text::is_label_name;

/// `label_replace(rows, to, replacement, from, regex)`
pub(super) fn replace(mut rows: Vec<Row>, args: &[Expr]) -> Evaluated<Vec<Row>> {
    let (to, replacement, from) = (text(args, 1)?, text(args, 2)?, text(args, 3)?);
    let regex = text(args, 4)?;
    let regex =
        anchored(regex).map_err(|_what| invalid("regular expression in label_replace()", regex))?;
    if !is_label_name(to) {
        return Err(invalid("destination label name in label_replace()", to));
    }
    for row in &mut rows {
        let Some(found) = regex.captures(row.labels.get(from)) else {
            continue;
        };
        let mut value = String::new();
        found.expand(replacement, &mut value);
        row.labels = row.labels.with(to, &value);
    }
    merged(rows)
}

/// `label_join(rows, to, separator, from...)`
pub(super) fn join(mut rows: Vec<Row>, args: &[Expr]) -> Evaluated<Vec<Row>> {
    let (to, separator) = (text(args, 1)?, text(args, 2)?);
    let from = (3..args.len())
        .map(|index| text(args, index))
        .collect::<Evaluated<Vec<_>>>()?;
    if let Some(name) = from.iter().find(|name| !is_label_name(name)) {
        return Err(invalid("source label name in label_join()", name));
    }
    if !is_label_name(to) {
        return Err(invalid("destination label name in label_join()", to));
    }
    for row in &mut rows {
        let values: Vec<_> = from.iter().map(|name| row.labels.get(name)).collect();
        row.labels = row.labels.with(to, &values.join(separator));
    }
    merged(rows)
}

fn text(args: &[Expr], index: usize) -> Evaluated<&str> {
    match args.get(index).map(Expr::bare) {
        Some(Expr::Text(text)) => Ok(text),
        _ => Err(EvalError::Argument("expected a string".to_owned())),
    }
}

fn invalid(what: &str, value: &str) -> EvalError {
    EvalError::Argument(format!("invalid {what}: {value}"))
}
