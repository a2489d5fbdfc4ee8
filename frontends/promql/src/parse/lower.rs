//! The library's tree becomes ours: types are checked, placeholders are what they stand for.

use crate::expr::{
    Aggregate, AggregateOp, At, Binary, BinaryOp, Call, Expr, Group, Grouping, Matching, Selector,
    Shift, Subquery,
};
use crate::function;
use crate::kind::Kind;
use crate::labels::METRIC_NAME;
use crate::limits::{DEPTH_MAX, TIME_MS_MAX};
use crate::matcher::{MatchOp, Matcher};
use crate::parse::RENAMED;
use crate::scan::{Placed, Token};
use promql_parser::label::{self, Labels};
use promql_parser::parser as library;
use std::cell::Cell;
use std::time::{Duration, SystemTime};

type Lowered<T> = Result<T, String>;

/// The tree as ours, or what is wrong with it.
pub(super) fn lower(tree: &library::Expr, tokens: &[Placed]) -> Lowered<Expr> {
    let mut lowering = Lowering {
        tokens,
        depth: 0,
        slots: 0,
        durations: Cell::new(0),
    };
    let expr = lowering.expr(tree)?;
    // Behind a metric that is called `offset`, the library takes a duration for a number.
    let is_duration = |(token, _): &&Placed| matches!(token, Token::DurationMs(_));
    if lowering.durations.get() == tokens.iter().filter(is_duration).count() {
        Ok(expr)
    } else {
        Err("unexpected duration".to_owned())
    }
}

struct Lowering<'t> {
    tokens: &'t [Placed],
    depth: usize,
    slots: usize,
    /// How many of the tokens were durations so far.
    durations: Cell<usize>,
}

impl Lowering<'_> {
    fn expr(&mut self, tree: &library::Expr) -> Lowered<Expr> {
        if self.depth == DEPTH_MAX {
            return Err(format!("query is nested more than {DEPTH_MAX} levels deep"));
        }
        self.depth += 1;
        let expr = self.any(tree);
        self.depth -= 1;
        expr
    }

    fn any(&mut self, tree: &library::Expr) -> Lowered<Expr> {
        Ok(match tree {
            library::Expr::NumberLiteral(number) => Expr::Number(number.val),
            library::Expr::StringLiteral(text) => Expr::Text(self.text(&text.val)?),
            library::Expr::Paren(paren) => Expr::Paren(Box::new(self.expr(&paren.expr)?)),
            library::Expr::Unary(unary) => Expr::Negate(Box::new(self.expr(&unary.expr)?)),
            library::Expr::VectorSelector(selector) => Expr::Selector(self.selector(selector)?),
            library::Expr::MatrixSelector(range) => {
                Expr::Range(self.selector(&range.vs)?, self.duration(range.range)?)
            }
            library::Expr::Subquery(subquery) => Expr::Subquery(Box::new(self.subquery(subquery)?)),
            library::Expr::Binary(binary) => Expr::Binary(Box::new(self.binary(binary)?)),
            library::Expr::Aggregate(all) => Expr::Aggregate(Box::new(self.aggregate(all)?)),
            library::Expr::Call(call) => Expr::Call(self.call(call)?),
            library::Expr::Extension(_) => return Err("unknown expression".to_owned()),
        })
    }

    /// What stands at a place of the list of tokens.
    fn token(&self, place: &str) -> Lowered<&Token> {
        let index = place
            .parse::<usize>()
            .ok()
            .and_then(|place| place.checked_sub(1));
        let token = index.and_then(|index| self.tokens.get(index));
        token
            .map(|(token, _)| token)
            .ok_or_else(|| "misplaced literal".to_owned())
    }

    fn text(&self, place: &str) -> Lowered<String> {
        match self.token(place)? {
            Token::Text(text) => Ok(text.clone()),
            _ => Err("misplaced string".to_owned()),
        }
    }

    /// Names that begin with a digit are places of strings.
    fn name(&self, name: &str) -> Lowered<String> {
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return self.text(name);
        }
        Ok(name.to_owned())
    }

    fn names(&self, labels: &Labels) -> Lowered<Vec<String>> {
        labels.labels.iter().map(|name| self.name(name)).collect()
    }

    fn duration(&self, placeholder: Duration) -> Lowered<i64> {
        match self.token(&placeholder.as_millis().to_string())? {
            Token::DurationMs(ms) => {
                self.durations.update(|count| count + 1);
                Ok(*ms)
            }
            _ => Err("misplaced duration".to_owned()),
        }
    }

    fn selector(&mut self, tree: &library::VectorSelector) -> Lowered<Selector> {
        if !tree.matchers.or_matchers.is_empty() {
            return Err("unexpected <or> in label matching".to_owned());
        }
        let matchers = tree.matchers.matchers.iter();
        let matchers = matchers
            .map(|one| self.matcher(one))
            .collect::<Lowered<Vec<_>>>()?;
        let is_named = matchers.iter().any(|matcher| matcher.name == METRIC_NAME);
        if tree.name.is_some() && is_named {
            return Err("metric name must not be set twice".to_owned());
        }
        if tree.name.is_none() && matchers.iter().all(|matcher| matcher.is_match("")) {
            return Err("vector selector must contain at least one non-empty matcher".to_owned());
        }
        let slot = self.slots;
        self.slots += 1;
        let shift = self.shift(tree.offset.as_ref(), tree.at.as_ref())?;
        Ok(Selector {
            name: tree.name.clone(),
            matchers,
            shift,
            slot,
        })
    }

    fn matcher(&self, tree: &label::Matcher) -> Lowered<Matcher> {
        let (name, value) = (self.name(&tree.name)?, self.text(&tree.value)?);
        let op = match &tree.op {
            label::MatchOp::Equal => MatchOp::Equal,
            label::MatchOp::NotEqual => MatchOp::NotEqual,
            label::MatchOp::Re(_) => MatchOp::regex(&name, &value)?,
            label::MatchOp::NotRe(_) => MatchOp::not_regex(&value)?,
        };
        Ok(Matcher { name, op, value })
    }

    fn shift(
        &self,
        offset: Option<&library::Offset>,
        at: Option<&library::AtModifier>,
    ) -> Lowered<Shift> {
        let offset_ms = match offset {
            None => 0,
            Some(library::Offset::Pos(offset)) => self.duration(*offset)?,
            Some(library::Offset::Neg(offset)) => -self.duration(*offset)?,
        };
        Ok(Shift {
            offset_ms,
            at: at.map(time).transpose()?,
        })
    }

    fn subquery(&mut self, tree: &library::SubqueryExpr) -> Lowered<Subquery> {
        let expr = self.expr(&tree.expr)?;
        wants(&expr, Kind::Vector, "subquery")?;
        Ok(Subquery {
            expr,
            range_ms: self.duration(tree.range)?,
            step_ms: tree.step.map(|step| self.duration(step)).transpose()?,
            shift: self.shift(tree.offset.as_ref(), tree.at.as_ref())?,
        })
    }

    fn binary(&mut self, tree: &library::BinaryExpr) -> Lowered<Binary> {
        let symbol = tree.op.to_string();
        let op = BinaryOp::from_symbol(&symbol);
        let op = op.ok_or_else(|| format!("operator {symbol:?} is not supported"))?;
        let modifier = tree.modifier.clone().unwrap_or_default();
        if modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some() {
            return Err("fill modifiers are not supported".to_owned());
        }
        let group = match &modifier.card {
            library::VectorMatchCardinality::ManyToOne(labels) => Group::Left(self.names(labels)?),
            library::VectorMatchCardinality::OneToMany(labels) => Group::Right(self.names(labels)?),
            _ => Group::None,
        };
        let matching = match &modifier.matching {
            None => None,
            Some(library::LabelModifier::Include(on)) => Some(Matching::On(self.names(on)?)),
            Some(library::LabelModifier::Exclude(off)) => {
                Some(Matching::Ignoring(self.names(off)?))
            }
        };
        let (left, right) = (self.expr(&tree.lhs)?, self.expr(&tree.rhs)?);
        Ok(Binary {
            op,
            returns_bool: modifier.return_bool,
            matching,
            group,
            left,
            right,
        })
    }

    fn aggregate(&mut self, tree: &library::AggregateExpr) -> Lowered<Aggregate> {
        let name = tree.op.to_string();
        let op = AggregateOp::from_name(&name);
        let op = op.ok_or_else(|| format!("aggregation {name:?} is not supported"))?;
        let parameter = match (op.parameter(), &tree.param) {
            (Some(kind), Some(parameter)) => {
                let parameter = self.expr(parameter)?;
                wants(&parameter, kind, &format!("aggregation {name:?}"))?;
                Some(parameter)
            }
            _ => None,
        };
        let grouping = match &tree.modifier {
            None => Grouping::By(Vec::new()),
            Some(library::LabelModifier::Include(by)) => Grouping::By(self.names(by)?),
            Some(library::LabelModifier::Exclude(not)) => Grouping::Without(self.names(not)?),
        };
        let expr = self.expr(&tree.expr)?;
        wants(&expr, Kind::Vector, "aggregation expression")?;
        Ok(Aggregate {
            op,
            grouping,
            parameter,
            expr,
        })
    }

    fn call(&mut self, tree: &library::Call) -> Lowered<Call> {
        let name = if tree.func.name == RENAMED.1 {
            RENAMED.0
        } else {
            tree.func.name
        };
        if matches!(
            name,
            "histogram_count" | "histogram_sum" | "histogram_fraction"
        ) {
            return Err(format!(
                "{name} is for native histograms, which are not supported"
            ));
        }
        let function = function::find(name);
        let function = function.ok_or_else(|| format!("unknown function with name '{name}'"))?;
        let (takes, count) = (function.takes, tree.args.args.len());
        let least = takes.len() - function.optional;
        if count < least || (count > takes.len() && !function.repeats) {
            return Err(format!(
                "expected {least} argument(s) in call to '{name}', got {count}"
            ));
        }
        let mut args = Vec::with_capacity(count);
        for (index, arg) in tree.args.args.iter().enumerate() {
            let arg = self.expr(arg)?;
            if let Some(kind) = takes.get(index.min(takes.len().saturating_sub(1))) {
                wants(&arg, *kind, &format!("call to function '{name}'"))?;
            }
            args.push(arg);
        }
        Ok(Call { function, args })
    }
}

fn wants(expr: &Expr, kind: Kind, context: &str) -> Lowered<()> {
    let got = expr.kind();
    if got == kind {
        return Ok(());
    }
    Err(format!("expected type {kind} in {context}, got {got}"))
}

fn time(at: &library::AtModifier) -> Lowered<At> {
    let at = match at {
        library::AtModifier::Start => return Ok(At::Start),
        library::AtModifier::End => return Ok(At::End),
        library::AtModifier::At(time) => *time,
    };
    let ms = match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()),
        Err(before) => i64::try_from(before.duration().as_millis()).map(|ms| -ms),
    };
    let ms = ms.ok().filter(|ms| ms.abs() <= TIME_MS_MAX);
    ms.map(At::Ms)
        .ok_or_else(|| "timestamp out of bounds for @ modifier".to_owned())
}
