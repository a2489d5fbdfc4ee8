//! A query as text again. Nothing is lost: what is parsed from it is the same tree.

use crate::duration;
use crate::expr::{At, Binary, Expr, Group, Grouping, Matching, Selector, Shift};
use crate::text::{is_label_name, push_quoted};

/// Adds an expression.
pub(crate) fn push_expr(out: &mut String, expr: &Expr) {
    match expr {
        Expr::Number(number) => push_number(out, *number),
        Expr::Text(text) => push_quoted(out, text),
        Expr::Selector(selector) => {
            push_selector(out, selector);
            push_shift(out, selector.shift);
        }
        Expr::Range(selector, range_ms) => {
            push_selector(out, selector);
            out.push('[');
            duration::push(out, *range_ms);
            out.push(']');
            push_shift(out, selector.shift);
        }
        Expr::Subquery(subquery) => {
            push_expr(out, &subquery.expr);
            out.push('[');
            duration::push(out, subquery.range_ms);
            out.push(':');
            if let Some(step_ms) = subquery.step_ms {
                duration::push(out, step_ms);
            }
            out.push(']');
            push_shift(out, subquery.shift);
        }
        Expr::Negate(inner) => {
            out.push('-');
            push_expr(out, inner);
        }
        Expr::Paren(inner) => {
            out.push('(');
            push_expr(out, inner);
            out.push(')');
        }
        Expr::Binary(binary) => push_binary(out, binary),
        Expr::Aggregate(all) => {
            out.push_str(all.op.name());
            match &all.grouping {
                Grouping::By(names) if names.is_empty() => {}
                Grouping::By(names) => push_clause(out, " by ", names),
                Grouping::Without(names) => push_clause(out, " without ", names),
            }
            push_args(out, &expr.children());
        }
        Expr::Call(call) => {
            out.push_str(call.function.name);
            push_args(out, &expr.children());
        }
    }
}

fn push_args(out: &mut String, args: &[&Expr]) {
    out.push('(');
    for (index, arg) in args.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { ", " });
        push_expr(out, arg);
    }
    out.push(')');
}

/// Every digit that it takes to read the same number.
fn push_number(out: &mut String, number: f64) {
    if number.is_nan() {
        out.push_str("NaN");
    } else if number.is_infinite() {
        out.push_str(if number > 0.0 { "Inf" } else { "-Inf" });
    } else {
        out.push_str(&number.to_string());
    }
}

fn push_selector(out: &mut String, selector: &Selector) {
    out.push_str(selector.name.as_deref().unwrap_or_default());
    if selector.matchers.is_empty() {
        return;
    }
    out.push('{');
    for (index, matcher) in selector.matchers.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        push_name(out, &matcher.name);
        out.push_str(matcher.symbol());
        push_quoted(out, &matcher.value);
    }
    out.push('}');
}

fn push_name(out: &mut String, name: &str) {
    if is_label_name(name) {
        out.push_str(name);
    } else {
        push_quoted(out, name);
    }
}

fn push_shift(out: &mut String, shift: Shift) {
    match shift.at {
        None => {}
        Some(At::Start) => out.push_str(" @ start()"),
        Some(At::End) => out.push_str(" @ end()"),
        Some(At::Ms(ms)) => out.push_str(&format!(" @ {}", seconds(ms))),
    }
    if shift.offset_ms != 0 {
        out.push_str(if shift.offset_ms < 0 {
            " offset -"
        } else {
            " offset "
        });
        duration::push(out, shift.offset_ms.abs());
    }
}

/// Milliseconds as seconds with three digits behind the point.
pub(crate) fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    format!("{sign}{}.{:03}", ms / 1_000, ms % 1_000)
}

fn push_binary(out: &mut String, binary: &Binary) {
    push_expr(out, &binary.left);
    out.push(' ');
    out.push_str(binary.op.symbol());
    out.push_str(if binary.returns_bool { " bool" } else { "" });
    match &binary.matching {
        None => {}
        Some(Matching::On(names)) => push_clause(out, " on ", names),
        Some(Matching::Ignoring(names)) => push_clause(out, " ignoring ", names),
    }
    match &binary.group {
        Group::None => {}
        Group::Left(names) => push_clause(out, " group_left ", names),
        Group::Right(names) => push_clause(out, " group_right ", names),
    }
    out.push(' ');
    push_expr(out, &binary.right);
}

fn push_clause(out: &mut String, keyword: &str, names: &[String]) {
    out.push_str(keyword);
    out.push('(');
    for (index, name) in names.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { ", " });
        push_name(out, name);
    }
    out.push(')');
}
