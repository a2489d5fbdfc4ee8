//! The functions there are, and what they take.

use crate::kind::Kind;

/// A function of the language.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) takes: &'static [Kind],
    /// Of `takes`, so many may be left out.
    pub(crate) optional: usize,
    /// The last of `takes` may come any number of times.
    pub(crate) repeats: bool,
    pub(crate) yields: Kind,
    pub(crate) does: Does,
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// What a function does; each group is one file of `eval`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Does {
    /// A number of each number.
    Math(fn(f64) -> f64),
    /// A number of each time in seconds, or of the time of evaluation.
    Date(Date),
    /// A number of the samples in a window.
    Over(Over),
    Absent,
    AbsentOverTime,
    Clamp,
    ClampMax,
    ClampMin,
    HistogramQuantile,
    LabelJoin,
    LabelReplace,
    Pi,
    Round,
    Scalar,
    Sort,
    SortDescending,
    Time,
    Timestamp,
    Vector,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Date {
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    DaysInMonth,
    Hour,
    Minute,
    Month,
    Year,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Avg,
    Changes,
    Count,
    Delta,
    Deriv,
    HoltWinters,
    Idelta,
    Increase,
    Irate,
    Last,
    Max,
    Min,
    PredictLinear,
    Present,
    Quantile,
    Rate,
    Resets,
    StdDev,
    StdVar,
    Sum,
}

/// The function of that name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

const fn function(name: &'static str, takes: &'static [Kind], does: Does) -> Function {
    Function {
        name,
        takes,
        optional: 0,
        repeats: false,
        yields: Kind::Vector,
        does,
    }
}

const fn math(name: &'static str, does: fn(f64) -> f64) -> Function {
    function(name, VECTOR, Does::Math(does))
}

const fn date(name: &'static str, does: Date) -> Function {
    Function {
        optional: 1,
        ..function(name, VECTOR, Does::Date(does))
    }
}

const fn over(name: &'static str, does: Over) -> Function {
    function(name, &[Kind::Matrix], Does::Over(does))
}

const fn scalar(name: &'static str, takes: &'static [Kind], does: Does) -> Function {
    Function {
        yields: Kind::Scalar,
        ..function(name, takes, does)
    }
}

const VECTOR: &[Kind] = &[Kind::Vector];
const VECTOR_SCALAR: &[Kind] = &[Kind::Vector, Kind::Scalar];

static FUNCTIONS: [Function; 67] = [
    math("abs", f64::abs),
    function("absent", VECTOR, Does::Absent),
    function("absent_over_time", &[Kind::Matrix], Does::AbsentOverTime),
    math("acos", f64::acos),
    math("acosh", f64::acosh),
    math("asin", f64::asin),
    math("asinh", f64::asinh),
    math("atan", f64::atan),
    math("atanh", f64::atanh),
    over("avg_over_time", Over::Avg),
    math("ceil", f64::ceil),
    over("changes", Over::Changes),
    function(
        "clamp",
        &[Kind::Vector, Kind::Scalar, Kind::Scalar],
        Does::Clamp,
    ),
    function("clamp_max", VECTOR_SCALAR, Does::ClampMax),
    function("clamp_min", VECTOR_SCALAR, Does::ClampMin),
    math("cos", f64::cos),
    math("cosh", f64::cosh),
    over("count_over_time", Over::Count),
    date("day_of_month", Date::DayOfMonth),
    date("day_of_week", Date::DayOfWeek),
    date("day_of_year", Date::DayOfYear),
    date("days_in_month", Date::DaysInMonth),
    math("deg", f64::to_degrees),
    over("delta", Over::Delta),
    over("deriv", Over::Deriv),
    math("exp", f64::exp),
    math("floor", f64::floor),
    function(
        "histogram_quantile",
        &[Kind::Scalar, Kind::Vector],
        Does::HistogramQuantile,
    ),
    function(
        "holt_winters",
        &[Kind::Matrix, Kind::Scalar, Kind::Scalar],
        Does::Over(Over::HoltWinters),
    ),
    date("hour", Date::Hour),
    over("idelta", Over::Idelta),
    over("increase", Over::Increase),
    over("irate", Over::Irate),
    Function {
        optional: 1,
        repeats: true,
        ..function(
            "label_join",
            &[Kind::Vector, Kind::Text, Kind::Text, Kind::Text],
            Does::LabelJoin,
        )
    },
    function(
        "label_replace",
        &[Kind::Vector, Kind::Text, Kind::Text, Kind::Text, Kind::Text],
        Does::LabelReplace,
    ),
    over("last_over_time", Over::Last),
    math("ln", f64::ln),
    math("log10", f64::log10),
    math("log2", f64::log2),
    over("max_over_time", Over::Max),
    over("min_over_time", Over::Min),
    date("minute", Date::Minute),
    date("month", Date::Month),
    scalar("pi", &[], Does::Pi),
    function(
        "predict_linear",
        &[Kind::Matrix, Kind::Scalar],
        Does::Over(Over::PredictLinear),
    ),
    over("present_over_time", Over::Present),
    function(
        "quantile_over_time",
        &[Kind::Scalar, Kind::Matrix],
        Does::Over(Over::Quantile),
    ),
    math("rad", f64::to_radians),
    over("rate", Over::Rate),
    over("resets", Over::Resets),
    Function {
        optional: 1,
        ..function("round", VECTOR_SCALAR, Does::Round)
    },
    scalar("scalar", VECTOR, Does::Scalar),
    math("sgn", sign),
    math("sin", f64::sin),
    math("sinh", f64::sinh),
    function("sort", VECTOR, Does::Sort),
    function("sort_desc", VECTOR, Does::SortDescending),
    math("sqrt", f64::sqrt),
    over("stddev_over_time", Over::StdDev),
    over("stdvar_over_time", Over::StdVar),
    over("sum_over_time", Over::Sum),
    math("tan", f64::tan),
    math("tanh", f64::tanh),
    scalar("time", &[], Does::Time),
    function("timestamp", VECTOR, Does::Timestamp),
    function("vector", &[Kind::Scalar], Does::Vector),
    date("year", Date::Year),
];

/// -1, 0 or 1; what has no sign stays as it is.
fn sign(value: f64) -> f64 {
    if value < 0.0 {
        -1.0
    } else if value > 0.0 {
        1.0
    } else {
        value
    }
}
