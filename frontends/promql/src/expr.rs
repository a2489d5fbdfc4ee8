//! The tree of a query.

use crate::function::Function;
use crate::kind::Kind;
use crate::matcher::Matcher;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    Number(f64),
    Text(String),
    Selector(Selector),
    Range(Selector, RangeMs),
    Subquery(Box<Subquery>),
    Negate(Box<Self>),
    Paren(Box<Self>),
    Binary(Box<Binary>),
    Aggregate(Box<Aggregate>),
    Call(Call),
}

/// How far a range selector looks back, in ms.
pub(crate) type RangeMs = i64;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Selector {
    /// In front of the braces.
    pub(crate) name: Option<String>,
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) shift: Shift,
    /// Which of the tree's selectors it is, from the left.
    pub(crate) slot: usize,
}

/// Where on the axis of time an expression looks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Shift {
    /// Into the past; negative into the future.
    pub(crate) offset_ms: i64,
    pub(crate) at: Option<At>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum At {
    Start,
    End,
    Ms(i64),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Subquery {
    pub(crate) expr: Expr,
    pub(crate) range_ms: RangeMs,
    pub(crate) step_ms: Option<i64>,
    pub(crate) shift: Shift,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Binary {
    pub(crate) op: BinaryOp,
    pub(crate) returns_bool: bool,
    pub(crate) matching: Option<Matching>,
    pub(crate) group: Group,
    pub(crate) left: Expr,
    pub(crate) right: Expr,
}

/// Which labels of both sides have to be equal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Matching {
    On(Vec<String>),
    Ignoring(Vec<String>),
}

/// Which side has many, and the labels that it takes from the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Group {
    None,
    Left(Vec<String>),
    Right(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    And,
    Or,
    Unless,
}

impl BinaryOp {
    const ALL: [(Self, &str); 16] = [
        (Self::Add, "+"),
        (Self::Sub, "-"),
        (Self::Mul, "*"),
        (Self::Div, "/"),
        (Self::Mod, "%"),
        (Self::Pow, "^"),
        (Self::Atan2, "atan2"),
        (Self::Equal, "=="),
        (Self::NotEqual, "!="),
        (Self::Less, "<"),
        (Self::LessEqual, "<="),
        (Self::Greater, ">"),
        (Self::GreaterEqual, ">="),
        (Self::And, "and"),
        (Self::Or, "or"),
        (Self::Unless, "unless"),
    ];

    pub(crate) fn from_symbol(symbol: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == symbol);
        found.map(|(op, _)| *op)
    }

    pub(crate) fn symbol(self) -> &'static str {
        let found = Self::ALL.iter().find(|(op, _)| *op == self);
        found.map_or("", |(_, symbol)| symbol)
    }

    pub(crate) fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Less
                | Self::LessEqual
                | Self::Greater
                | Self::GreaterEqual
        )
    }

    pub(crate) fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Aggregate {
    pub(crate) op: AggregateOp,
    pub(crate) grouping: Grouping,
    pub(crate) parameter: Option<Expr>,
    pub(crate) expr: Expr,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Grouping {
    By(Vec<String>),
    Without(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AggregateOp {
    Avg,
    BottomK,
    Count,
    CountValues,
    Group,
    Max,
    Min,
    Quantile,
    StdDev,
    StdVar,
    Sum,
    TopK,
}

impl AggregateOp {
    const ALL: [(Self, &str); 12] = [
        (Self::Avg, "avg"),
        (Self::BottomK, "bottomk"),
        (Self::Count, "count"),
        (Self::CountValues, "count_values"),
        (Self::Group, "group"),
        (Self::Max, "max"),
        (Self::Min, "min"),
        (Self::Quantile, "quantile"),
        (Self::StdDev, "stddev"),
        (Self::StdVar, "stdvar"),
        (Self::Sum, "sum"),
        (Self::TopK, "topk"),
    ];

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(op, _)| *op)
    }

    pub(crate) fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(op, _)| *op == self);
        found.map_or("", |(_, name)| name)
    }

    /// What comes in front of the vector.
    pub(crate) fn parameter(self) -> Option<Kind> {
        match self {
            Self::TopK | Self::BottomK | Self::Quantile => Some(Kind::Scalar),
            Self::CountValues => Some(Kind::Text),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) function: &'static Function,
    pub(crate) args: Vec<Expr>,
}

impl Expr {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Number(_) => Kind::Scalar,
            Self::Text(_) => Kind::Text,
            Self::Selector(_) | Self::Aggregate(_) => Kind::Vector,
            Self::Range(..) | Self::Subquery(_) => Kind::Matrix,
            Self::Negate(inner) | Self::Paren(inner) => inner.kind(),
            Self::Binary(binary) => binary.kind(),
            Self::Call(call) => call.function.yields,
        }
    }

    /// Without the parentheses around it.
    pub(crate) fn bare(&self) -> &Self {
        match self {
            Self::Paren(inner) => inner.bare(),
            _ => self,
        }
    }

    /// The expressions right below this one, from the left.
    pub(crate) fn children(&self) -> Vec<&Self> {
        match self {
            Self::Number(_) | Self::Text(_) | Self::Selector(_) | Self::Range(..) => Vec::new(),
            Self::Negate(inner) | Self::Paren(inner) => vec![inner],
            Self::Subquery(subquery) => vec![&subquery.expr],
            Self::Binary(binary) => vec![&binary.left, &binary.right],
            Self::Aggregate(all) => all.parameter.iter().chain([&all.expr]).collect(),
            Self::Call(call) => call.args.iter().collect(),
        }
    }

    fn children_mut(&mut self) -> Vec<&mut Self> {
        match self {
            Self::Number(_) | Self::Text(_) | Self::Selector(_) | Self::Range(..) => Vec::new(),
            Self::Negate(inner) | Self::Paren(inner) => vec![inner],
            Self::Subquery(subquery) => vec![&mut subquery.expr],
            Self::Binary(binary) => vec![&mut binary.left, &mut binary.right],
            Self::Aggregate(all) => all.parameter.iter_mut().chain([&mut all.expr]).collect(),
            Self::Call(call) => call.args.iter_mut().collect(),
        }
    }

    /// Every selector, from the left.
    pub(crate) fn selectors<'e>(&'e self, found: &mut Vec<&'e Selector>) {
        if let Self::Selector(selector) | Self::Range(selector, _) = self {
            found.push(selector);
        }
        self.children()
            .into_iter()
            .for_each(|child| child.selectors(found));
    }

    /// Changes every selector, from the left.
    pub(crate) fn change_selectors(&mut self, change: &mut dyn FnMut(&mut Selector)) {
        if let Self::Selector(selector) | Self::Range(selector, _) = self {
            change(selector);
        }
        for child in self.children_mut() {
            child.change_selectors(change);
        }
    }
}

impl Binary {
    fn kind(&self) -> Kind {
        match (self.left.kind(), self.right.kind()) {
            (Kind::Scalar, Kind::Scalar) => Kind::Scalar,
            _ => Kind::Vector,
        }
    }
}
